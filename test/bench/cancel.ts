// Measures how long a cancel takes for three generations of processes that ignore SIGTERM. One of them has its own
// process session.

import { fileURLToPath } from 'node:url';
import { leftoverProcesses } from '../helpers/leftovers.ts';
import { callGateway } from './call-gateway.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { startBenchGateway } from './servers.ts';

const rounds = 10;
const graceMs = 1000;
const requiredMs = 1000;
const generations = 3;

export async function measureCancel(): Promise<readonly Figure[]> {
  const script = fileURLToPath(new URL('../fixtures/generations.sh', import.meta.url));
  const call = [
    `{ process: [bash, ${JSON.stringify(script)}, "${generations}"], stop: { signal: SIGTERM, `,
    `grace: ${graceMs}ms } }`,
  ].join('');
  const ours = await startBenchGateway(`calls:\n  generations: ${call}\n`);
  const beyond: number[] = [];
  let [left, unclean] = [0, 0];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const { run, result, cancelMs } = await callGateway(ours.port, { call: 'generations', cancelAfter: generations });
      beyond.push(cancelMs - graceMs);
      left += leftoverProcesses(run).length;
      if (result.status !== 'cancelled' || result.cleanup?.clean !== true) unclean += 1;
    }
  } finally {
    await ours.stop();
  }
  const worst = Math.max(...beyond);
  return [
    {
      name: [
        'cancel to result beyond the grace, three generations that ignore SIGTERM: median ',
        `${rounded(median(beyond))} ms`,
      ].join(''),
      value: `at most ${rounded(worst)} ms`,
      required: `<= ${requiredMs} ms`,
      peer: 'none',
      samples: rounds,
      ok: worst <= requiredMs,
    },
    {
      name: 'the same: processes left, and receipts that do not say so',
      value: `${left} and ${unclean}`,
      required: '0 and 0',
      peer: 'none',
      samples: rounds,
      ok: left === 0 && unclean === 0,
    },
  ];
}
