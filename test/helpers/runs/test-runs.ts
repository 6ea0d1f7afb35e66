// Runs with a real store and real processes, without a gateway.

import { join } from 'node:path';
import type { Call } from '../../../calls/contract/call.ts';
import { createRegistry } from '../../../calls/contract/registry.ts';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { RunEvent } from '../../../protocol/messages.ts';
import { releaseFolder } from '../../../server/pipeline/files/release-folder.ts';
import { createProcessEngine } from '../../../server/process/engine.ts';
import type { Releasers } from '../../../server/runs/cleanup.ts';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import { reconcile } from '../../../server/runs/restart/reconcile.ts';
import type { Run } from '../../../server/runs/run.ts';
import { Runs, type RunsDeps } from '../../../server/runs/runs.ts';
import { openStore, type RunStore } from '../../../server/runs/store/store.ts';
import type { RunView } from '../../../server/runs/views/run-view.ts';
import { Watcher } from '../../../server/runs/views/watcher.ts';
import { readEntryLines, withTempFolder } from './test-log.ts';

export interface TestRuns {
  readonly runs: Runs;
  readonly store: RunStore;
  /** Returns everything that was logged, as text. */
  logged(): string;
  start(call: string, params?: readonly string[]): Run;
  reconcile(): Promise<void>;
  close(): Promise<void>;
}

export interface TestRunsOptions {
  readonly limits?: Partial<Limits>;
  readonly releasers?: Releasers;
  readonly store?: (store: RunStore) => RunStore;
  readonly allows?: RunsDeps['allows'];
  readonly onStored?: NonNullable<RunsDeps['onStored']>;
}

export const caller = { user: 'ada', token: false, scopes: [] };

export function openTestRuns(folder: string, calls: readonly Call[], options: TestRunsOptions = {}): TestRuns {
  const lines: string[] = [];
  const write = (facts: object, message: string): void => {
    lines.push(
      `${message} ${JSON.stringify(facts, (_key, value: unknown) => (value instanceof Error ? value.stack : value))}`,
    );
  };
  const log = { info: write, warn: write, error: write };
  const limits = { ...defaultLimits, bodyReturnMs: 50, ...options.limits };
  const opened = openStore(folder);
  const store = options.store?.(opened) ?? opened;
  const processes = createProcessEngine({ environment: ['PATH', 'TMPDIR'], limits, log });
  const engines: RunsDeps['engines'] = {
    process: processes.process,
    terminal: processes.terminal,
    container: () => none,
    pipeline: () => none,
  };
  const releasers = {
    process: processes.release,
    folder: releaseFolder(join(folder, 'work')),
    ...options.releasers,
  };
  const registry = createRegistry(calls);
  const logs = join(folder, 'runs');
  const runs = new Runs({
    store,
    engines,
    releasers,
    limits,
    work: join(folder, 'work'),
    log,
    folder: logs,
    node: 'test',
    storageProblem: () => undefined,
    registry: () => registry,
    allows: options.allows ?? (() => true),
    missingScopeMessage: (scope) => scope,
    paramBytesMax: () => limits.paramBytesMax,
    ...(options.onStored !== undefined && { onStored: options.onStored }),
  });
  return {
    runs,
    store,
    logged: () => lines.join('\n'),
    start: (call, params = []) => runs.start({ call, params, caller }).activeRun!,
    reconcile: () =>
      reconcile({
        store,
        releasers,
        limits,
        log,
        adopt: async () => false,
        storeLost: (record) => runs.storeLost(record),
        runFolder: (run) => join(logs, run),
      }),
    async close() {
      await runs.stopAll('shutdown');
      opened.close();
    },
  };
}

const none = (): Promise<never> => Promise.reject(new Error('this test has no container engine'));

/** Creates runs with these calls for one test. */
export async function withTestRuns(
  calls: readonly Call[],
  work: (testRuns: TestRuns, folder: string) => Promise<void>,
  options?: TestRunsOptions,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const testRuns = openTestRuns(folder, calls, options);
    try {
      await work(testRuns, folder);
    } finally {
      await testRuns.close();
    }
  });
}

/** Returns a code call with a short grace. */
export function codeCall(name: string, body: Call['body'], more: Partial<Call> = {}): Call {
  return { name, kind: 'code', params: [], needs: [], stop: { signal: 'SIGTERM', graceMs: 100 }, body, ...more };
}

/** Returns a call that starts one process. */
export function processCall(name: string, argv: readonly [string, ...string[]], more: Partial<Call> = {}): Call {
  return codeCall(name, ({ engines }) => engines.process({ argv }), { kind: 'process', ...more });
}

/** Resolves when the signal is aborted. */
export function waitForAbort(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Resolves when the run has started or ended. */
export async function waitUntilStarted(run: Run): Promise<void> {
  if (run.record.state !== 'queued') return;
  await new Promise<void>((resolve) => {
    const unsubscribe = run.onState(() => {
      unsubscribe();
      resolve();
    });
  });
}

/** Resolves with the events of an ended run. */
export async function collectEvents(run: RunView): Promise<readonly RunEvent[]> {
  return (await collectOutput(run)).filter((received): received is RunEvent => typeof received !== 'string');
}

/** Resolves with the lines and events of an ended run. Rejects with the error of the watcher. */
export async function collectOutput(run: RunView): Promise<readonly (string | RunEvent)[]> {
  await run.ended;
  const received: (string | RunEvent)[] = [];
  const sink = {
    full: false,
    output: (entry: OutputEntry) => void received.push(...readEntryLines(entry)),
    event: (json: Uint8Array) => void received.push(JSON.parse(String(Buffer.from(json))) as RunEvent),
  };
  await new Promise<void>((resolve, reject) =>
    new Watcher(run.log, sink, { format: 'lines', onEnd: resolve, onError: reject }).wake(),
  );
  return received;
}
