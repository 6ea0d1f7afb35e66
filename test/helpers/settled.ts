// Whether a gateway is at rest again: what runs say of themselves, and what a look at the machine says.

import { expect } from 'chai';
import type { RunRecord } from '../../protocol/record.ts';
import type { TestGateway } from './gateway.ts';
import { containersLeft, runProcessesLeft } from './leftovers.ts';
import { until } from './until.ts';

type Asked = Pick<TestGateway, 'getJson'>;

/** No session is open and no process or container of a run lives. */
export async function settled(gateway: Asked, ms = 10_000): Promise<void> {
  await until('no session is open', async () => (await statusOf(gateway)).sessions === 0, ms);
  await until('every run has ended', async () => {
    const { runs } = await statusOf(gateway);
    return (runs['queued'] ?? 0) + (runs['running'] ?? 0) + (runs['cancelling'] ?? 0) === 0;
  }, ms);
  expect([...runProcessesLeft(), ...await containersLeft()]).to.deep.equal([]);
}

export async function statusOf(gateway: Asked): Promise<{ readonly sessions: number; readonly runs: Readonly<Record<string, number>> }> {
  return await gateway.getJson('/api/v1/http/status') as { sessions: number; runs: Record<string, number> };
}

/** The newest runs, newest first. */
export async function newestRuns(gateway: Asked, limit = 1): Promise<readonly RunRecord[]> {
  return (await gateway.getJson(`/api/v1/http/runs?limit=${limit}`) as { runs: RunRecord[] }).runs;
}

/** The record of the newest run, once that has ended. */
export async function newestEnded(gateway: Asked): Promise<RunRecord> {
  let record: RunRecord | undefined;
  await until('the newest run has ended', async () => {
    [record] = await newestRuns(gateway);
    return record?.state === 'ended';
  });
  return record!;
}
