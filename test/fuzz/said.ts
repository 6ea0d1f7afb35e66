// What a client may say, at random: right and wrong, whole and torn, of every dialect.

import { encodeClose, encodeFrame } from '../helpers/frames.ts';

export type Random = (below: number) => number;
export type FuzzDialect = 'v1' | 'distillery.v2' | 'pow-1';

/** What the client did that leaves it without a claim to a result. */
export interface Said {
  readonly bytes: Buffer;
  readonly leaves?: true;
  /** What follows may be taken for a part of it. */
  readonly tears?: true;
}

/** Some of one conversation; the beginning is a call, mostly, for without one there is little to get wrong. */
export function scriptOf(random: Random, dialect: FuzzDialect): readonly Said[] {
  const makers = dialect === 'distillery.v2' ? [...common, ...second] : common;
  const something = (): Said => pick(random, makers)(random);
  const first = random(10);
  const beginning = dialect === 'distillery.v2' && first < 2 ? [attach(random)] : first < 7 ? [dialect === 'distillery.v2' && first < 4 ? again(random) : call(random)] : [];
  return [...beginning, ...Array.from({ length: 1 + random(8) }, something)];
}

const json = (message: unknown): Said => ({ bytes: encodeFrame('binary', JSON.stringify(message)) });
const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!;
const noise = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));

const codeCalls = ['mirror', 'patient', 'eventful', 'valued', 'faulty', 'apologetic', 'cyclic'];
const startedCalls = ['cat', 'shell', 'stubborn'];

const common: readonly ((random: Random) => Said)[] = [
  call,
  (random) => json({ call: random(30) === 0 ? pick(random, startedCalls) : 'mirror', params: [], terminal: { cols: 1 + random(300), rows: 24 } }),
  () => json({ signal: 'cancel' }),
  () => json({ signal: 'close' }),
  (random) => json({ signal: 'resize', cols: random(100), rows: 24 }),
  (random) => json(pick(random, [{}, [], null, 7, { call: 7 }, { call: 'none' }, { signal: 'none' }, { call: 'valued', params: ['a'] }])),
  feed, feed,
  (random) => ({ bytes: Buffer.concat(Array.from({ length: random(20) }, (_, at) => encodeFrame('text', `line ${at}`))) }),
  (random) => ({ bytes: encodeFrame('text', 'x'.repeat(random(5000))) }),
  (random) => ({ bytes: encodeFrame('text', noise(random, random(50))) }),
  (random) => ({ bytes: encodeFrame('binary', noise(random, random(50))) }),
  (random) => ({ bytes: encodeFrame(pick(random, ['ping', 'pong'] as const), noise(random, random(126))) }),
  fragments,
  (random) => ({ bytes: encodeFrame(pick(random, ['text', 'ping', 'continuation'] as const), 'x', { masked: random(2) === 0, fin: random(2) === 0 }), tears: true }),
  (random) => (random(4) === 0 ? { bytes: noise(random, 1 + random(40)), tears: true } : feed(random)),
  (random) => (random(4) === 0 ? { bytes: encodeClose(pick(random, [1000, 1001, 1005, 1006, 3000, 4999, 5000, 0])), leaves: true } : feed(random)),
];

/** Runs that many conversations ask for. */
const runs = 12;
const runId = (random: Random): string => (random(20) === 0 ? 'none' : `r${random(runs)}`);

/** What only distillery.v2 knows. */
const second: readonly ((random: Random) => Said)[] = [
  attach, again,
  () => json({ signal: 'detach' }),
  (random) => json({ call: 'valued', run: pick(random, ['', '../up', 'x'.repeat(65), 7, null]) }),
  (random) => json({ attach: runId(random), ...pick(random, [{ after: -1 }, { last: 0.5 }, { after: 1, last: 1 }, { input: 'yes' }]) }),
];

function attach(random: Random): Said {
  const cursor = pick(random, [{}, { after: random(5) }, { last: random(5) }, { after: 1e9 }]);
  return json({ attach: runId(random), ...cursor, ...(random(3) === 0 && { input: true }) });
}

/** Started once, and attached to by all who say the same; whoever says something else is refused. */
function again(random: Random): Said {
  const policy = pick(random, [{}, {}, { onDisconnect: 'cancel' }, { onDisconnect: 'grace:20ms' }, { onDisconnect: 'detach' }, { onDisconnect: 'odd' }]);
  return json({ call: pick(random, ['mirror', 'patient', 'eventful']), run: runId(random), ...policy, ...(random(4) === 0 && { after: random(5) }) });
}

function feed(random: Random): Said {
  return { bytes: encodeFrame('text', 'ü\n'.repeat(random(100))) };
}

function call(random: Random): Said {
  return json({ call: random(60) === 0 ? pick(random, startedCalls) : pick(random, codeCalls) });
}

function fragments(random: Random): Said {
  const text = random(2) === 0 ? '{"call":"mirror"}' : 'some text with ü and 😀';
  const bytes = Buffer.from(text);
  const cut = random(bytes.length);
  return {
    bytes: Buffer.concat([
      encodeFrame(random(2) === 0 ? 'binary' : 'text', bytes.subarray(0, cut), { fin: false }), encodeFrame('ping', 'between'),
      encodeFrame('continuation', bytes.subarray(cut)),
    ]),
  };
}
