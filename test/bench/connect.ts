// 500 clients at once: how long until each knows that it is heard.

import { until } from '../helpers/until.ts';
import { median, quantile, rounded, type Figure } from './figures.ts';
import { children, gateway, websocketd } from './parts.ts';
import { gather, leave, type Door } from './watchers.ts';

const clients = 500;
const rounds = 7;
/** Servers run for long; what is measured is not their first second. */
const warmRounds = 16;
const endMs = 60_000;
const requiredRatio = 0.2;
const argv = ['sh', '-c', 'echo hello; exec sleep 60'] as const;

/** Both start a process for each client. The first frame is the announcement of the run here, which is stored by then, and the first line there. */
export async function measureConnect(): Promise<readonly Figure[]> {
  const ours = await gateway(`calls:\n  hello: { process: ${JSON.stringify(argv)}, stop: { grace: 1s } }\n`);
  const theirs = await websocketd([...argv]);
  const measured: { readonly own: number; readonly peer: number }[] = [];
  try {
    for (let round = -warmRounds; round < rounds; round += 1) {
      const own = await slowest({ port: ours.port, path: '/api/v1/ws', subprotocol: 'distillery.v2', message: { call: 'hello' } });
      // What a round has started is still being ended.
      await until('no run is left', () => isQuiet(ours.port), endMs);
      const peer = await slowest({ port: theirs.port, path: '/' });
      await until('no process of the peer is left', async () => await children(theirs.pid) === 0, endMs);
      if (round >= 0) measured.push({ own, peer });
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  const ratio = median(measured.map((pair) => pair.own / pair.peer));
  return [{
    what: `${clients} clients at once: from connecting to accepted, 95 % of them: ${rounded(own)} ms`, reached: `${rounded(ratio, 2)}x`, required: `<= ${requiredRatio}x`,
    peer: `websocketd to the first line, ${rounded(peer)} ms`, n: rounds, ok: ratio <= requiredRatio,
  }];
}

/** Of 95 % of them. */
async function slowest(door: Door): Promise<number> {
  const gathered = await gather(clients, door);
  await leave(gathered);
  return quantile(gathered.map(({ startedAt, firstAt }) => firstAt - startedAt), 0.95);
}

async function isQuiet(port: number): Promise<boolean> {
  const { runs } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/http/status`)).json()) as { runs: Readonly<Record<string, number>> };
  return Object.entries(runs).every(([state, count]) => state === 'ended' || count === 0);
}
