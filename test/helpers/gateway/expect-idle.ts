// Checks that a gateway is idle, by its status and by the processes and containers of the machine.

import { expect } from 'chai';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { leftoverContainers, leftoverProcesses } from '../leftovers.ts';
import { waitUntil } from '../wait-until.ts';
import type { TestGateway } from './test-gateway.ts';

type StatusSource = Pick<TestGateway, 'getJson'>;

/** Waits until no session is open and every run has ended. Rejects if a process or container of a run is left. */
export async function expectIdle(gateway: StatusSource, ms = 30_000): Promise<void> {
  await waitUntil('no session is open', async () => (await getStatus(gateway)).sessions === 0, ms);
  await waitUntil(
    'every run has ended',
    async () => {
      const { runs } = await getStatus(gateway);
      return (runs['queued'] ?? 0) + (runs['running'] ?? 0) + (runs['cancelling'] ?? 0) === 0;
    },
    ms,
  );
  expect([...leftoverProcesses(), ...(await leftoverContainers())]).to.deep.equal([]);
}

export async function getStatus(
  gateway: StatusSource,
): Promise<{ readonly sessions: number; readonly runs: Readonly<Record<string, number>> }> {
  return (await gateway.getJson('/api/v1/http/status')) as { sessions: number; runs: Record<string, number> };
}

/** Returns the latest runs, the newest first. */
export async function getNewestRuns(gateway: StatusSource, limit = 1): Promise<readonly RunRecord[]> {
  return ((await gateway.getJson(`/api/v1/http/runs?limit=${limit}`)) as { runs: RunRecord[] }).runs;
}

/** Resolves with the record of the newest run once it has ended. */
export async function waitForNewestRun(gateway: StatusSource): Promise<RunRecord> {
  let record: RunRecord | undefined;
  await waitUntil('the newest run has ended', async () => {
    [record] = await getNewestRuns(gateway);
    return record?.state === 'ended';
  });
  return record!;
}
