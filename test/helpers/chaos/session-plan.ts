// Draws from a seed what each session of the chaos test does. The same seed gives the same plans.

import { createRandom } from '../seeded-random.ts';
import { type ChaosCall, chaosCalls } from './call-kinds.ts';

/** How a client disconnects: Close frame, dropped connection, reset, or end of its sending side. */
export const disconnectMethods = ['close', 'terminate', 'reset', 'half-close'] as const;
export type DisconnectMethod = (typeof disconnectMethods)[number];

export type Ending =
  | { readonly type: 'wait-for-result' }
  | { readonly type: 'cancel' }
  | { readonly type: 'cancel-twice'; readonly apartMs: number }
  | { readonly type: 'disconnect'; readonly how: DisconnectMethod }
  | { readonly type: 'cancel-and-disconnect'; readonly how: DisconnectMethod; readonly apartMs: number };

/** When the client acts. `connecting` and `before-call` come before the call message. */
export type Moment =
  | { readonly type: 'connecting' | 'before-call' | 'after'; readonly ms: number }
  | { readonly type: 'with-the-call' }
  | { readonly type: 'first-output' };

export interface SessionPlan {
  /** Value of the call's parameter, and so part of the run's record. */
  readonly tag: string;
  readonly kind: ChaosCall;
  readonly dialect: 'v1' | 'v2';
  /** Number of input lines sent after the call. */
  readonly input: number;
  readonly ending: Ending;
  readonly moment: Moment;
}

type Random = () => number;

export function drawPlans(seed: number, count: number): readonly SessionPlan[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, number) => draw(`run-${number}`, random));
}

function draw(tag: string, random: Random): SessionPlan {
  const kind = pickKind(random);
  const dialect = random() < 0.5 ? 'v1' : 'v2';
  const ending = drawEnding(kind, dialect, random);
  const input = kind.readsInput === true || random() < 0.2 ? Math.floor(random() * 20) : 0;
  return { tag, kind, dialect, input, ending, moment: drawMoment(ending, random) };
}

function drawEnding(kind: ChaosCall, dialect: SessionPlan['dialect'], random: Random): Ending {
  const share = random();
  const apartMs = random() * 400;
  const how = pick(disconnectMethods, random);
  if (kind.endsAs !== undefined && share < 0.4) return { type: 'wait-for-result' };
  if (share < 0.55) return { type: 'cancel' };
  if (share < 0.7 && dialect === 'v2') return { type: 'cancel-twice', apartMs };
  return share < 0.8 ? { type: 'cancel-and-disconnect', how, apartMs } : { type: 'disconnect', how };
}

function drawMoment(ending: Ending, random: Random): Moment {
  const share = random();
  if (ending.type === 'disconnect' && share < 0.1) return { type: 'connecting', ms: random() * 5 };
  if (ending.type === 'disconnect' && share < 0.15) return { type: 'before-call', ms: random() * 50 };
  if (share < 0.3) return { type: 'with-the-call' };
  if (share < 0.45) return { type: 'first-output' };
  // Most bugs show when a client acts soon after the call.
  return { type: 'after', ms: 700 * random() ** 2 };
}

function pickKind(random: Random): ChaosCall {
  const totalWeight = chaosCalls.reduce((sum, { weight }) => sum + weight, 0);
  let at = random() * totalWeight;
  return chaosCalls.find(({ weight }) => (at -= weight) < 0) ?? chaosCalls[0]!;
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)]!;
}
