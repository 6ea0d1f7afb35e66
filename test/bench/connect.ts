// Measures how long 500 clients that connect at once wait for their first frame.

import { waitUntil } from '../helpers/wait-until.ts';
import { type ClientTarget, connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, quantile, rounded } from './figures/figure.ts';
import { countChildren, startBenchGateway, startWebsocketd } from './servers.ts';

const clients = 500;
const rounds = 7;
/** Warm-up rounds that do not count: servers run for a long time, so the first second is not representative. */
const warmRounds = 16;
const endMs = 60_000;
const requiredRatio = 0.2;
const argv = ['sh', '-c', 'echo hello; exec sleep 60'] as const;

/**
 * Compares the gateway with websocketd. Both start a process per client. The first frame of the gateway announces the
 * run, which is then stored; that of websocketd is the first line of output.
 */
export async function measureConnect(): Promise<readonly Figure[]> {
  const ours = await startBenchGateway(`calls:\n  hello: { process: ${JSON.stringify(argv)}, stop: { grace: 1s } }\n`);
  const theirs = await startWebsocketd([...argv]);
  const measured: { readonly own: number; readonly peer: number }[] = [];
  try {
    for (let round = -warmRounds; round < rounds; round += 1) {
      const own = await slowestFirstFrameMs({
        port: ours.port,
        path: '/api/v1/ws',
        subprotocol: 'distillery.v2',
        message: { call: 'hello' },
      });
      // Wait, because processes of the round may still be ending.
      await waitUntil('no run is left', () => isQuiet(ours.port), endMs);
      const peer = await slowestFirstFrameMs({ port: theirs.port, path: '/' });
      await waitUntil('no process of the peer is left', async () => (await countChildren(theirs.pid)) === 0, endMs);
      if (round >= 0) measured.push({ own, peer });
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  const ratio = median(measured.map((pair) => pair.own / pair.peer));
  return [
    {
      name: `${clients} clients at once: from connecting to accepted, 95 % of them: ${rounded(own)} ms`,
      value: `${rounded(ratio, 2)}x`,
      required: `<= ${requiredRatio}x`,
      peer: `websocketd to the first line, ${rounded(peer)} ms`,
      samples: rounds,
      ok: ratio <= requiredRatio,
    },
  ];
}

/** Returns the 95th percentile of the times from connecting to the first frame, in milliseconds. */
async function slowestFirstFrameMs(target: ClientTarget): Promise<number> {
  const gathered = await connectClients(clients, target);
  await disconnectClients(gathered);
  return quantile(
    gathered.map(({ startedAt, firstAt }) => firstAt - startedAt),
    0.95,
  );
}

async function isQuiet(port: number): Promise<boolean> {
  const { runs } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/http/status`)).json()) as {
    runs: Readonly<Record<string, number>>;
  };
  return Object.entries(runs).every(([state, count]) => state === 'ended' || count === 0);
}
