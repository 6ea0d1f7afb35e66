// Stops or abandons runs while the wall clock jumps. Durations stay right, and no run is removed.

import { setTimeout as pause } from 'node:timers/promises';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { type ChaosGateway, describeChaos } from '../../helpers/chaos/describe-chaos.ts';
import { createFakeClock, type FakeClock } from '../../helpers/gateway/fake-clock.ts';
import { createRandom } from '../../helpers/seeded-random.ts';

const count = Number(process.env['CHAOS_RUNS'] ?? 150);
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_201);
const jumps = ['+0d', '-1h', '+1h', '+60d', '-60d', '+400d', '-1s', '+10s'];
/** Longer than any run of this test, shorter than a duration that includes a jump of an hour. */
const longestMs = 3_000_000;

let clock: FakeClock;

describeChaos(`P9: chaos: ${count} mixed runs while the wall clock jumps`, {
  count,
  seed,
  env: async (folder) => (clock = createFakeClock(folder)).env,
  disturb: jumpUntil,
  checkRecords: (records) =>
    records
      .filter(({ durationMs = 0 }: RunRecord) => durationMs < 0 || durationMs > longestMs)
      .map(({ id, durationMs }) => `${id} lasted ${durationMs} ms`),
});

async function jumpUntil(_gateway: ChaosGateway, signal: AbortSignal): Promise<void> {
  const random = createRandom(seed);
  while (!signal.aborted) {
    await clock.set(jumps[Math.floor(random() * jumps.length)]!);
    await pause(100 + 400 * random());
  }
  await clock.set('+60d');
}
