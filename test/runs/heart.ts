// Runs with a real store and real processes in a folder, without the gateway around them.

import { join } from 'node:path';
import type { Call } from '../../calls/contract/call.ts';
import { createRegistry } from '../../calls/contract/registry.ts';
import { defaultLimits, type Limits } from '../../protocol/limits.ts';
import { createProcessEngine } from '../../server/process/engine.ts';
import type { Releasers } from '../../server/runs/cleanup.ts';
import { reconcile } from '../../server/runs/reconcile.ts';
import type { Run } from '../../server/runs/run.ts';
import { Runs, type RunsParts } from '../../server/runs/runs.ts';
import { openStore, type RunStore } from '../../server/runs/store.ts';
import { Watcher } from '../../server/runs/watcher.ts';
import type { Watchable } from '../../server/runs/watchable.ts';
import type { RunEvent } from '../../protocol/messages.ts';
import { inFolder, payloadsOf } from './kit.ts';

export interface Heart {
  readonly runs: Runs;
  readonly store: RunStore;
  /** Everything that was logged, as text. */
  logged(): string;
  start(call: string, params?: readonly string[]): Run;
  reconcile(): Promise<void>;
  close(): Promise<void>;
}

export interface HeartOptions {
  readonly limits?: Partial<Limits>;
  readonly releasers?: Releasers;
  readonly store?: (store: RunStore) => RunStore;
  readonly allows?: RunsParts['allows'];
}

export const caller = { user: 'ada', token: false, scopes: [] };

export function openHeart(folder: string, calls: readonly Call[], options: HeartOptions = {}): Heart {
  const lines: string[] = [];
  const write = (facts: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(facts, (_key, value: unknown) => (value instanceof Error ? value.stack : value))}`);
  };
  const log = { info: write, warn: write, error: write };
  const limits = { ...defaultLimits, bodyMs: 50, ...options.limits };
  const opened = openStore(folder);
  const store = options.store?.(opened) ?? opened;
  const processes = createProcessEngine({ environment: ['PATH', 'TMPDIR'], limits, log });
  const engines: RunsParts['engines'] = { process: processes.process, terminal: processes.terminal, container: () => none, pipeline: () => none };
  const releasers = { process: processes.release, ...options.releasers };
  const registry = createRegistry(calls);
  const logs = join(folder, 'runs');
  const runs = new Runs({
    store, engines, releasers, limits, log, folder: logs, node: 'test', registry: () => registry, allows: options.allows ?? (() => true), scopeText: (scope) => scope,
  });
  return {
    runs, store,
    logged: () => lines.join('\n'),
    start: (call, params = []) => runs.start({ call, params, caller }).live!,
    reconcile: () => reconcile({ store, releasers, limits, log, adopt: async () => false, folderOf: (run) => join(logs, run) }),
    async close() {
      await runs.stopAll('shutdown');
      opened.close();
    },
  };
}

const none = (): Promise<never> => Promise.reject(new Error('there is no container engine here'));

/** Runs with these calls, for one test. */
export async function withHeart(calls: readonly Call[], work: (heart: Heart, folder: string) => Promise<void>, options?: HeartOptions): Promise<void> {
  await inFolder(async (folder) => {
    const heart = openHeart(folder, calls, options);
    try {
      await work(heart, folder);
    } finally {
      await heart.close();
    }
  });
}

/** A call of code, with a grace short enough for a test. */
export function code(name: string, body: Call['body'], more: Partial<Call> = {}): Call {
  return { name, kind: 'code', params: [], needs: [], stop: { signal: 'SIGTERM', graceMs: 100 }, body, ...more };
}

/** A call of one process. */
export function program(name: string, argv: readonly [string, ...string[]], more: Partial<Call> = {}): Call {
  return code(name, ({ engines }) => engines.process({ argv }), { kind: 'process', ...more });
}

/** Resolves when the run is to stop. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Resolves when the work of the run has begun, or it is over. */
export async function begun(run: Run): Promise<void> {
  if (run.record.state !== 'queued') return;
  await new Promise<void>((resolve) => {
    const unheard = run.onState(() => {
      unheard();
      resolve();
    });
  });
}

/** The events of a run, when it is over. */
export async function eventsOf(run: Watchable): Promise<readonly RunEvent[]> {
  return (await toldBy(run)).filter((told): told is RunEvent => typeof told !== 'string');
}

/** Lines and events of a run, when it is over; throws what the watcher throws. */
export async function toldBy(run: Watchable): Promise<readonly (string | RunEvent)[]> {
  await run.ended;
  const told: (string | RunEvent)[] = [];
  const outlet = {
    full: false,
    frames: (frames: Buffer) => void told.push(...payloadsOf(frames).map(String)),
    event: (json: Uint8Array) => void told.push(JSON.parse(String(Buffer.from(json))) as RunEvent),
  };
  await new Promise<void>((resolve, reject) => new Watcher(run.log, outlet, { shape: 'lines', onEnd: resolve, onError: reject }).wake());
  return told;
}
