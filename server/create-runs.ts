// Wires the execution of runs: store, queue, idle monitor, retention and recovery after a restart.

import { join } from 'node:path';
import type { ActiveConfig } from './active-config.ts';
import { allows, missingScopeMessage } from './auth/scopes.ts';
import type { Config } from './config/config.ts';
import type { GatewayEngines } from './create-engines.ts';
import type { Feature } from './http/kit/feature.ts';
import { workFolder } from './pipeline/run/run-pipeline.ts';
import { createRunsFeature, createStorageFeature } from './runs/feature.ts';
import { IdleMonitor, monitorRun } from './runs/idle-monitor.ts';
import { logRun } from './runs/log-run.ts';
import { adoptRun } from './runs/restart/adopt.ts';
import { Leftovers } from './runs/restart/leftovers.ts';
import { reconcile } from './runs/restart/reconcile.ts';
import { Retention, type RetentionDeps } from './runs/retention/retention.ts';
import { Runs } from './runs/runs.ts';
import { DiskSpace } from './runs/store/disk-space.ts';
import type { RunStore } from './runs/store/store.ts';
import type { Logger } from './support/logger.ts';

export interface RunExecutionDeps {
  /** The configuration that the gateway was started with. */
  readonly config: Config;
  readonly active: ActiveConfig;
  readonly engines: GatewayEngines;
  readonly store: RunStore;
  /** Whether container runs are left to the next gateway when this one stops. */
  readonly leaveContainers: () => boolean;
  readonly log: Logger;
}

export interface RunExecution {
  readonly runs: Runs;
  readonly storage: Feature;
  readonly execution: Feature;
}

export function createRunExecution({
  config,
  active,
  engines: gatewayEngines,
  store,
  leaveContainers,
  log,
}: RunExecutionDeps): RunExecution {
  const { engines, releasers, docker, isWaitingForInput } = gatewayEngines;
  const folder = join(config.data, 'runs');
  const runFolder = (run: string): string => join(folder, run);
  const shared = { store, engines, releasers, limits: config.limits, work: workFolder(config.data), log };
  const limits = () => active.config.limits;
  const idleMonitor = new IdleMonitor({ limits, isWaitingForInput, log });
  const space = new DiskSpace({
    folder: config.data,
    store,
    freeMin: () => limits().diskFreeMin,
    onShort: () => retention.requestSweep(),
    log,
  });
  const runs: Runs = new Runs({
    ...shared,
    folder,
    node: config.node,
    storageProblem: () => space.rejectionReason(),
    registry: () => active.calls.all,
    allows,
    missingScopeMessage,
    paramBytesMax: () => limits().paramBytesMax,
    onRun: (run) => {
      monitorRun(run, idleMonitor);
      logRun(run, log);
    },
    onStored: (record, lateWork) => {
      retention.requestSweep();
      leftovers.add(record, lateWork);
    },
  });
  const retention = new Retention({
    store,
    folder,
    log,
    activeRuns: () => runs.activeRuns(),
    intervalMs: () => limits().retentionIntervalMs,
    rules: () => retentionRules(active),
  });
  const leftovers = new Leftovers(shared);
  const adopt = { ...shared, runFolder, adopter: docker, runs };
  return {
    runs,
    storage: createStorageFeature({
      store,
      retention,
      leftovers,
      space,
      reconcile: () =>
        reconcile({
          ...shared,
          runFolder,
          adopt: (record) => adoptRun(record, adopt),
          storeLost: (record) => runs.storeLost(record),
        }),
    }),
    execution: createRunsFeature({ runs, graceMs: () => active.config.shutdown.graceMs, leaveContainers, log }),
  };
}

function retentionRules({ config, calls }: ActiveConfig): ReturnType<RetentionDeps['rules']> {
  return { overall: config.retention, forCall: (call) => calls.all.get(call)?.retention };
}
