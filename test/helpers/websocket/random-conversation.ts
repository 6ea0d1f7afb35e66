// Random client messages of every dialect: valid and invalid, complete and incomplete.

import { encodeClose, encodeFrame } from './raw-frames.ts';

export type Random = (below: number) => number;
export type FuzzDialect = 'v1' | 'distillery.v2' | 'pow-1';

/** Bytes that the client sends. After bytes with `disconnects` or `breaksFraming`, the result may be missing. */
export interface ClientBytes {
  readonly bytes: Buffer;
  readonly disconnects?: true;
  /** The gateway may read the bytes that follow as a part of these. */
  readonly breaksFraming?: true;
}

/** Draws one conversation. It usually starts with a call, because little can fail without one. */
export function drawConversation(random: Random, dialect: FuzzDialect): readonly ClientBytes[] {
  const messageKinds = dialect === 'distillery.v2' ? [...common, ...v2Only] : common;
  const drawMessage = (): ClientBytes => pick(random, messageKinds)(random);
  const first = random(10);
  const firstMessages =
    dialect === 'distillery.v2' && first < 2
      ? [attach(random)]
      : first < 7
        ? [dialect === 'distillery.v2' && first < 4 ? startWithRunId(random) : call(random)]
        : [];
  return [...firstMessages, ...Array.from({ length: 1 + random(8) }, drawMessage)];
}

const json = (message: unknown): ClientBytes => ({ bytes: encodeFrame('binary', JSON.stringify(message)) });
const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!;
const randomBytes = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));

const codeCalls = ['mirror', 'patient', 'eventful', 'valued', 'faulty', 'apologetic', 'cyclic'];
const startedCalls = ['cat', 'shell', 'stubborn'];

const common: readonly ((random: Random) => ClientBytes)[] = [
  call,
  (random) =>
    json({
      call: random(30) === 0 ? pick(random, startedCalls) : 'mirror',
      params: [],
      terminal: { cols: 1 + random(300), rows: 24 },
    }),
  () => json({ signal: 'cancel' }),
  () => json({ signal: 'close' }),
  (random) => json({ signal: 'resize', cols: random(100), rows: 24 }),
  (random) =>
    json(
      pick(random, [
        {},
        [],
        null,
        7,
        { call: 7 },
        { call: 'none' },
        { signal: 'none' },
        { call: 'valued', params: ['a'] },
      ]),
    ),
  drawInput,
  drawInput,
  (random) => ({
    bytes: Buffer.concat(Array.from({ length: random(20) }, (_, at) => encodeFrame('text', `line ${at}`))),
  }),
  (random) => ({ bytes: encodeFrame('text', 'x'.repeat(random(5000))) }),
  (random) => ({ bytes: encodeFrame('text', randomBytes(random, random(50))) }),
  (random) => ({ bytes: encodeFrame('binary', randomBytes(random, random(50))) }),
  (random) => ({ bytes: encodeFrame(pick(random, ['ping', 'pong'] as const), randomBytes(random, random(126))) }),
  fragments,
  (random) => ({
    bytes: encodeFrame(pick(random, ['text', 'ping', 'continuation'] as const), 'x', {
      masked: random(2) === 0,
      fin: random(2) === 0,
    }),
    breaksFraming: true,
  }),
  (random) =>
    random(4) === 0 ? { bytes: randomBytes(random, 1 + random(40)), breaksFraming: true } : drawInput(random),
  (random) =>
    random(4) === 0
      ? { bytes: encodeClose(pick(random, [1000, 1001, 1005, 1006, 3000, 4999, 5000, 0])), disconnects: true }
      : drawInput(random),
];

/** Number of run ids that all conversations share. */
const runs = 12;
const runId = (random: Random): string => (random(20) === 0 ? 'none' : `r${random(runs)}`);

/** Messages that only distillery.v2 has. */
const v2Only: readonly ((random: Random) => ClientBytes)[] = [
  attach,
  startWithRunId,
  () => json({ signal: 'detach' }),
  (random) => json({ call: 'valued', run: pick(random, ['', '../up', 'x'.repeat(65), 7, null]) }),
  (random) =>
    json({
      attach: runId(random),
      ...pick(random, [{ after: -1 }, { last: 0.5 }, { after: 1, last: 1 }, { input: 'yes' }]),
    }),
];

function attach(random: Random): ClientBytes {
  const cursor = pick(random, [{}, { after: random(5) }, { last: random(5) }, { after: 1e9 }]);
  return json({ attach: runId(random), ...cursor, ...(random(3) === 0 && { input: true }) });
}

/**
 * Starts a run with an id. The first request starts the run, equal requests attach to it, and different ones are
 * rejected.
 */
function startWithRunId(random: Random): ClientBytes {
  const policy = pick(random, [
    {},
    {},
    { onDisconnect: 'cancel' },
    { onDisconnect: 'grace:20ms' },
    { onDisconnect: 'detach' },
    { onDisconnect: 'odd' },
  ]);
  return json({
    call: pick(random, ['mirror', 'patient', 'eventful']),
    run: runId(random),
    ...policy,
    ...(random(4) === 0 && { after: random(5) }),
  });
}

function drawInput(random: Random): ClientBytes {
  return { bytes: encodeFrame('text', 'ü\n'.repeat(random(100))) };
}

function call(random: Random): ClientBytes {
  return json({ call: random(60) === 0 ? pick(random, startedCalls) : pick(random, codeCalls) });
}

function fragments(random: Random): ClientBytes {
  const text = random(2) === 0 ? '{"call":"mirror"}' : 'some text with ü and 😀';
  const bytes = Buffer.from(text);
  const cut = random(bytes.length);
  return {
    bytes: Buffer.concat([
      encodeFrame(random(2) === 0 ? 'binary' : 'text', bytes.subarray(0, cut), { fin: false }),
      encodeFrame('ping', 'between'),
      encodeFrame('continuation', bytes.subarray(cut)),
    ]),
  };
}
