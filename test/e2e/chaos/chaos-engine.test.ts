// Restarts the engine while mixed runs go on, with and without live-restore. Each run ends once, nothing is left, and
// every receipt is clean in the end.

import { setTimeout as delay } from 'node:timers/promises';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { type ChaosGateway, describeChaos } from '../../helpers/chaos/describe-chaos.ts';
import { type RestartableEngine, startRestartableEngine } from '../../helpers/docker/restartable-engine.ts';
import { createRandomInteger } from '../../helpers/seeded-random.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const seed = 20_261_202;
const count = 150;

for (const liveRestore of [true, false]) declareChaos(liveRestore);

function declareChaos(liveRestore: boolean): void {
  const random = createRandomInteger(seed);
  let engine: RestartableEngine;

  async function restartEngine({ url }: ChaosGateway, signal: AbortSignal): Promise<void> {
    do {
      await delay(random(600));
      await engine.stop(random(2) === 0 ? 'SIGTERM' : 'SIGKILL');
      await delay(random(500));
      await engine.start();
    } while (!signal.aborted);
    const list = async (): Promise<readonly RunRecord[]> => {
      const response = await fetch(`${url}/api/v1/http/runs?limit=500`, { headers: { connection: 'close' } });
      return ((await response.json()) as { runs: readonly RunRecord[] }).runs;
    };
    await waitUntil('every receipt is clean', async () => (await list()).every(isClean), 60_000);
  }

  const how = liveRestore ? 'with' : 'without';
  describeChaos(`P6: chaos: ${count} mixed runs while an engine ${how} live-restore restarts`, {
    count,
    seed,
    engine: async () => {
      engine = await startRestartableEngine({ liveRestore });
      return engine;
    },
    disturb: restartEngine,
    // The loss of the engine changes outcomes, and a client may receive a receipt that is not clean yet. So check only
    // the numbers of runs and results.
    checkResult: ({ results, disconnected }, records) => [
      ...(records.length > 1 ? [`${records.length} runs`] : []),
      ...(disconnected || results.length === 1 ? [] : [`${results.length} results`]),
    ],
    checkRecords: (records) =>
      records.filter((record) => !isClean(record)).map((record) => `not clean: ${JSON.stringify(record)}`),
  });
}

function isClean({ state, outcome, cleanup }: RunRecord): boolean {
  return state === 'ended' && outcome !== undefined && cleanup?.clean === true;
}
