// Two features of the gateway: the storage of runs, which opens first, and their execution, which opens last.

import type { Feature } from '../http/kit/feature.ts';
import type { Logger } from '../support/logger.ts';
import type { Leftovers } from './restart/leftovers.ts';
import type { Retention } from './retention/retention.ts';
import type { Runs } from './runs.ts';
import type { DiskSpace } from './store/disk-space.ts';
import type { RunStore } from './store/store.ts';

export interface StorageFeatureDeps {
  readonly store: RunStore;
  readonly retention: Retention;
  readonly space: Pick<DiskSpace, 'status' | 'rejectionReason'>;
  /** Adopts or ends the runs of an earlier gateway process. */
  readonly reconcile: () => Promise<void>;
  readonly leftovers: Leftovers;
}

export function createStorageFeature({ store, retention, space, reconcile, leftovers }: StorageFeatureDeps): Feature {
  let opened = false;
  return {
    name: 'storage',
    status: () => ({ storage: space.status() }),
    ready: () => {
      const reason = space.rejectionReason();
      return reason === undefined ? { ready: true } : { ready: false, reason };
    },
    open: async () => {
      await reconcile();
      leftovers.addStored();
      retention.start();
      opened = true;
    },
    close: async () => {
      await leftovers.close();
      if (opened) await retention.stop();
      store.close();
    },
  };
}

export interface RunsFeatureDeps {
  readonly runs: Runs;
  /** Time for runs to end by themselves when the gateway stops, in milliseconds. */
  readonly graceMs: () => number;
  /** Whether the gateway leaves container runs to the next one when it stops. */
  readonly leaveContainers: () => boolean;
  readonly log: Logger;
}

export function createRunsFeature({ runs, graceMs, leaveContainers, log }: RunsFeatureDeps): Feature {
  return {
    name: 'runs',
    status: () => ({ runs: runs.countByState() }),
    metrics: () => ({ activeRuns: runs.activeRuns().length }),
    drain: async () => {
      runs.stopAccepting();
      if (leaveContainers()) log.info({ left: await runs.handOver() }, 'left container runs to the next gateway');
      if (graceMs() > 0) await waitForRuns(runs, graceMs(), log);
    },
    close: () => runs.stopAll('shutdown'),
    forceStop: () => runs.forceStopAll(),
  };
}

async function waitForRuns(runs: Runs, graceMs: number, log: Logger): Promise<void> {
  const awaited = runs.activeRuns().filter(({ record }) => record.state !== 'queued').length;
  log.info({ awaited, graceMs }, 'stopping; waiting for active runs');
  await runs.drained(graceMs);
  const left = runs.activeRuns().length;
  if (left > 0) log.info({ left }, 'the grace is over; stopping the remaining runs');
}
