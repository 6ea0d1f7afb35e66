// Cancel of three generations of processes that ignore SIGTERM, one of them in a session of its own.

import { fileURLToPath } from 'node:url';
import { runProcessesLeft } from '../helpers/leftovers.ts';
import { median, rounded, type Figure } from './figures.ts';
import { gateway } from './parts.ts';
import { ask } from './told.ts';

const rounds = 10;
const graceMs = 1000;
const requiredMs = 1000;
const generations = 3;

export async function measureCancel(): Promise<readonly Figure[]> {
  const script = fileURLToPath(new URL('../fixtures/generations.sh', import.meta.url));
  const call = `{ process: [bash, ${JSON.stringify(script)}, "${generations}"], stop: { signal: SIGTERM, grace: ${graceMs}ms } }`;
  const ours = await gateway(`calls:\n  generations: ${call}\n`);
  const beyond: number[] = [];
  let [left, unclean] = [0, 0];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const { run, result, cancelMs } = await ask(ours.port, { call: 'generations', cancelAfter: generations });
      beyond.push(cancelMs - graceMs);
      left += runProcessesLeft(run).length;
      if (result.status !== 'cancelled' || result.cleanup?.clean !== true) unclean += 1;
    }
  } finally {
    await ours.stop();
  }
  const worst = Math.max(...beyond);
  return [
    {
      what: `cancel to result beyond the grace, three generations that ignore SIGTERM: median ${rounded(median(beyond))} ms`,
      reached: `at most ${rounded(worst)} ms`, required: `<= ${requiredMs} ms`, peer: 'none', n: rounds, ok: worst <= requiredMs,
    },
    {
      what: 'the same: processes left, and receipts that do not say so', reached: `${left} and ${unclean}`, required: '0 and 0', peer: 'none', n: rounds,
      ok: left === 0 && unclean === 0,
    },
  ];
}
