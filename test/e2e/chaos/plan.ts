// What each session of the chaos is to do, drawn from a seed: the same seed gives the same plans.

import { randomFrom } from '../../helpers/random.ts';
import { kinds, type Kind } from './kinds.ts';

/** How a client leaves: Close; the connection dropped; reset; only its own half of the connection ended. */
export const leavings = ['close', 'terminate', 'reset', 'half-close'] as const;
export type Leaving = (typeof leavings)[number];

export type Manner =
  | { readonly type: 'stay' }
  | { readonly type: 'cancel' }
  | { readonly type: 'cancel-twice'; readonly apartMs: number }
  | { readonly type: 'leave'; readonly how: Leaving }
  | { readonly type: 'cancel-and-leave'; readonly how: Leaving; readonly apartMs: number };

/** When it does so. `connecting` and `silent` are before any call was sent. */
export type Moment =
  | { readonly type: 'connecting' | 'silent' | 'after'; readonly ms: number }
  | { readonly type: 'with-the-call' }
  | { readonly type: 'first-output' };

export interface Plan {
  /** Param of the call, and so of the run's record. */
  readonly tag: string;
  readonly kind: Kind;
  readonly dialect: 'v1' | 'v2';
  /** Lines of input sent right after the call. */
  readonly input: number;
  readonly manner: Manner;
  readonly moment: Moment;
}

type Random = () => number;

export function drawPlans(seed: number, count: number): readonly Plan[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, number) => draw(`run-${number}`, random));
}

function draw(tag: string, random: Random): Plan {
  const kind = pickKind(random);
  const dialect = random() < 0.5 ? 'v1' : 'v2';
  const manner = drawManner(kind, dialect, random);
  const input = kind.reads === true || random() < 0.2 ? Math.floor(random() * 20) : 0;
  return { tag, kind, dialect, input, manner, moment: drawMoment(manner, random) };
}

function drawManner(kind: Kind, dialect: Plan['dialect'], random: Random): Manner {
  const share = random();
  const apartMs = random() * 400;
  const how = pick(leavings, random);
  if (kind.ends !== undefined && share < 0.4) return { type: 'stay' };
  if (share < 0.55) return { type: 'cancel' };
  if (share < 0.7 && dialect === 'v2') return { type: 'cancel-twice', apartMs };
  return share < 0.8 ? { type: 'cancel-and-leave', how, apartMs } : { type: 'leave', how };
}

function drawMoment(manner: Manner, random: Random): Moment {
  const share = random();
  if (manner.type === 'leave' && share < 0.1) return { type: 'connecting', ms: random() * 5 };
  if (manner.type === 'leave' && share < 0.15) return { type: 'silent', ms: random() * 50 };
  if (share < 0.3) return { type: 'with-the-call' };
  if (share < 0.45) return { type: 'first-output' };
  // Most of what can go wrong does so in the first moments.
  return { type: 'after', ms: 700 * random() ** 2 };
}

function pickKind(random: Random): Kind {
  const whole = kinds.reduce((sum, { share }) => sum + share, 0);
  let at = random() * whole;
  return kinds.find(({ share }) => (at -= share) < 0) ?? kinds[0]!;
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)]!;
}
