// Measures short runs against websocketd: `true`, one after the other and many at once, and `sleep 3` for a thousand
// clients. Then measures how long starts delay the lines of another run.

import type { Socket } from 'node:net';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';
import { type ClientTarget, connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, quantile, rounded } from './figures/figure.ts';
import { connectWithReusedBuffer, FrameCounter, requestHead, waitForClose } from './frame-counter.ts';
import { startBenchGateway, startWebsocketd } from './servers.ts';

const rounds = 5;
const callMs = 60_000;
/** Required shares of websocketd's rate. */
const rates = [
  { atOnce: 20, calls: 600, requiredRatio: 0.5 },
  { atOnce: 1, calls: 100, requiredRatio: 0.4 },
] as const;

const manyClients = { clients: 1000, rounds: 3, requiredRatio: 1.15, argv: ['sleep', '3'] } as const;

/** Additional resident memory of the gateway in the last measurement. The gateway for comparison has none. */
const ballastBytes = 440_000_000;
const starts = { processes: 200, lineMs: 1, rounds: 3 } as const;

export async function measureShortCalls(): Promise<readonly Figure[]> {
  return [...(await measureRates()), ...(await measureManyClients()), ...(await measureGaps())];
}

interface Pair {
  readonly own: number;
  readonly peer: number;
}

async function measureRates(): Promise<readonly Figure[]> {
  const ours = await startBenchGateway('calls:\n  short: { process: ["true"] }\n');
  const theirs = await startWebsocketd(['true']);
  const own = gatewayTarget(ours.port, 'short');
  const peer: ClientTarget = { port: theirs.port, path: '/' };
  const figures: Figure[] = [];
  try {
    for (const { atOnce, calls, requiredRatio } of rates) {
      const measured: Pair[] = [];
      // The first round does not count: servers run for a long time, so the first second is not representative.
      for (let round = -1; round < rounds; round += 1) {
        const pair = {
          own: await callsPerSecond(own, { calls, atOnce }),
          peer: await callsPerSecond(peer, { calls, atOnce }),
        };
        if (round >= 0) measured.push(pair);
      }
      figures.push(rateFigure(measured, { atOnce, requiredRatio }));
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  return figures;
}

function rateFigure(
  measured: readonly Pair[],
  { atOnce, requiredRatio }: { atOnce: number; requiredRatio: number },
): Figure {
  const ratio = median(measured.map((pair) => pair.own / pair.peer));
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  return {
    name: `calls of \`true\`, ${atOnce} at a time, with record, log and receipt: ${rounded(own)}/s`,
    value: `${rounded(ratio, 2)}x`,
    required: `>= ${requiredRatio}x`,
    peer: `websocketd, ${rounded(peer)}/s`,
    samples: measured.length,
    ok: ratio >= requiredRatio,
  };
}

export async function callsPerSecond(
  target: ClientTarget,
  { calls, atOnce }: { readonly calls: number; readonly atOnce: number },
): Promise<number> {
  const started = performance.now();
  let left = calls;
  const work = async (): Promise<void> => {
    while (left-- > 0) await callToEnd(target);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return (calls * 1000) / (performance.now() - started);
}

async function measureManyClients(): Promise<readonly Figure[]> {
  const { argv, clients } = manyClients;
  const ours = await startBenchGateway(`calls:\n  pause: { process: ${JSON.stringify(argv)} }\n`);
  const theirs = await startWebsocketd(argv);
  const measured: { readonly own: readonly number[]; readonly peer: readonly number[] }[] = [];
  try {
    for (let round = 0; round < manyClients.rounds; round += 1) {
      const own = await callAtOnce(gatewayTarget(ours.port, 'pause'), clients);
      measured.push({ own, peer: await callAtOnce({ port: theirs.port, path: '/' }, clients) });
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  return [
    { which: 'median', share: 0.5 },
    { which: 'slowest', share: 1 },
  ].map(({ which, share }) => {
    const pairs = measured.map(({ own, peer }) => ({ own: quantile(own, share), peer: quantile(peer, share) }));
    const ratio = median(pairs.map((pair) => pair.own / pair.peer));
    return {
      name: [
        `${clients} clients at once, each runs \`${argv.join(' ')}\`: from connecting to the end, ${which} `,
        `${rounded(median(pairs.map(({ own }) => own)))} ms`,
      ].join(''),
      value: `${rounded(ratio, 2)}x`,
      required: `<= ${manyClients.requiredRatio}x`,
      peer: `websocketd, ${rounded(median(pairs.map(({ peer }) => peer)))} ms`,
      samples: pairs.length,
      ok: ratio <= manyClients.requiredRatio,
    };
  });
}

/** Makes one call per client, all at once. Returns the milliseconds from connecting to the server's close for each. */
function callAtOnce(target: ClientTarget, clients: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: clients }, () => callToEnd(target)));
}

/**
 * Makes one call and returns the time from connecting to the server's close. Rejects if a gateway reports anything but
 * success.
 */
async function callToEnd(target: ClientTarget): Promise<number> {
  const counter = new FrameCounter();
  const started = performance.now();
  let isOpen = false;
  const socket: Socket = connectWithReusedBuffer(target.port, (bytes) => {
    if (isOpen) return counter.count(bytes);
    const head = bytes.indexOf('\r\n\r\n');
    if (head === -1) return 0;
    isOpen = true;
    if (target.message !== undefined) socket.write(encodeFrame('binary', JSON.stringify(target.message)));
    return head + 4 + counter.count(bytes.subarray(head + 4));
  });
  counter.onClose = () => socket.end();
  socket.write(requestHead(target.port, target));
  await waitForClose(socket, callMs);
  const result = counter.binary.at(-1) ?? '';
  if (target.message !== undefined && !result.includes('"success":true'))
    throw new Error(`the call ended with ${result}`);
  return performance.now() - started;
}

async function measureGaps(): Promise<readonly Figure[]> {
  const heavy: Pair[] = [];
  for (let round = 0; round < starts.rounds; round += 1)
    heavy.push({ own: await gapWhileStarting(ballastBytes), peer: await gapWhileStarting(0) });
  const [own, peer] = [median(heavy.map((pair) => pair.own)), median(heavy.map((pair) => pair.peer))];
  return [
    {
      name: `longest gap in the lines of a run while ${starts.processes} processes start, gateway of 500 MB`,
      value: `${rounded(own, 1)} ms`,
      peer: `the same, gateway without added memory, ${rounded(peer, 1)} ms`,
      samples: heavy.length,
      ok: true,
    },
  ];
}

/** Returns the longest time between two lines of a run that prints a line every millisecond, while other runs start. */
async function gapWhileStarting(addedBytes: number): Promise<number> {
  const printer = `setInterval(() => require('node:fs').writeSync(1, '.\\n'), ${starts.lineMs})`;
  const ticks = JSON.stringify([process.execPath, '-e', printer]);
  const ours = await startBenchGateway(
    `calls:\n  short: { process: ["true"] }\n  ticks: { process: ${ticks} }\n`,
    addedBytes === 0 ? [] : ['--import', `data:text/javascript,globalThis.ballast=Buffer.alloc(${addedBytes},1)`],
  );
  let [last, longest] = [Infinity, 0];
  const [watcher] = await connectClients(1, gatewayTarget(ours.port, 'ticks'), () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  });
  try {
    await callsPerSecond(gatewayTarget(ours.port, 'short'), { calls: 20, atOnce: 1 });
    longest = 0;
    await callsPerSecond(gatewayTarget(ours.port, 'short'), { calls: starts.processes, atOnce: 1 });
    return longest;
  } finally {
    await disconnectClients([watcher!]);
    await ours.stop();
  }
}

export function gatewayTarget(port: number, call: string): ClientTarget {
  return { port, path: '/api/v1/ws', subprotocol: 'distillery.v2', message: { call } };
}
