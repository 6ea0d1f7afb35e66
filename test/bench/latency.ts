// Measures the time from printing a line to its arrival at the client, one line per millisecond, against websocketd.

import { withDeadline } from '../helpers/wait-until.ts';
import { type ClientTarget, connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, quantile, rounded } from './figures/figure.ts';
import { startBenchGateway, startWebsocketd } from './servers.ts';

const rounds = 3;
const lines = 3000;
const required = { p50Ms: 1, p99Ms: 5 } as const;
const runMs = 30_000;

/** Prints the current time in each line, from a clock that all processes of a machine share. */
const printer = `
  const { writeSync } = require('node:fs');
  let left = ${lines};
  const timer = setInterval(() => {
    writeSync(1, process.hrtime.bigint() + '\\n');
    if (--left === 0) clearInterval(timer);
  }, 1);`;

interface Latencies {
  readonly p50: number;
  readonly p99: number;
}

export async function measureLatency(): Promise<readonly Figure[]> {
  const argv = [process.execPath, '-e', printer] as const;
  const ours = await startBenchGateway(`calls:\n  ticks: { process: ${JSON.stringify(argv)} }\n`);
  const theirs = await startWebsocketd(argv);
  const measured: { readonly own: Latencies; readonly peer: Latencies }[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const own = await latencies({
        port: ours.port,
        path: '/api/v1/ws',
        message: { call: 'ticks' },
        subprotocol: 'distillery.v2',
      });
      measured.push({ own, peer: await latencies({ port: theirs.port, path: '/' }) });
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  return (['p50', 'p99'] as const).map((name) => {
    const [own, peer] = [
      median(measured.map((pair) => pair.own[name])),
      median(measured.map((pair) => pair.peer[name])),
    ];
    const bound = name === 'p50' ? required.p50Ms : required.p99Ms;
    return {
      name: `from a line's printing to its client, a line every ms: ${name === 'p50' ? 'median' : '99 % of them'}`,
      value: `${rounded(own, 2)} ms`,
      required: `< ${bound} ms`,
      peer: `websocketd, ${rounded(peer, 2)} ms`,
      samples: rounds,
      ok: own < bound,
    };
  });
}

async function latencies(target: ClientTarget): Promise<Latencies> {
  const took: number[] = [];
  const [client] = await connectClients(1, target, (text) =>
    took.push(Number(process.hrtime.bigint() - BigInt(text.toString('latin1'))) / 1e6),
  );
  try {
    await withDeadline(
      'all lines have arrived',
      new Promise<void>((resolve) => client!.socket.once('close', resolve)),
      runMs,
    );
  } finally {
    await disconnectClients([client!]);
  }
  if (took.length !== lines) throw new Error(`${took.length} lines came of ${lines}`);
  return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}
