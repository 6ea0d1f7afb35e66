// Helpers for process tests: an engine, a run, and checks for living processes.

import { readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { StopPolicy } from '../../../calls/contract/engines.ts';
import type { ProcessEngine, ProcessEngineOptions } from '../../../server/process/engine.ts';
import { createProcessEngine } from '../../../server/process/engine.ts';
import { readProcess } from '../../../server/process/procfs/procfs.ts';
import type { StarterName } from '../../../server/process/start/starter.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import type { FakePorts } from '../runs/fake-run-ports.ts';
import { fakePorts } from '../runs/fake-run-ports.ts';

export const outputDrainMs = 200;
export const outputDrainMaxMs = 2_000;

let selectedStarter: StarterName = 'posix_spawn';

/** Declares the tests in `declare` once for each way to start processes. */
export function forEachStarter(declare: (starter: StarterName) => void): void {
  for (const starter of ['posix_spawn', 'child_process'] as const) {
    describe(`with ${starter}:`, () => {
      before(() => {
        selectedStarter = starter;
      });
      after(() => {
        selectedStarter = 'posix_spawn';
      });
      declare(starter);
    });
  }
}

/** Creates an engine that starts processes in the way that `forEachStarter` has selected. Default: posix_spawn. */
export function createTestEngine(options: Partial<ProcessEngineOptions> = {}): ProcessEngine {
  return createProcessEngine({
    environment: ['PATH'],
    limits: { outputDrainMs, outputDrainMaxMs },
    log: nullLogger,
    starter: selectedStarter,
    ...options,
  });
}

export interface TestRun {
  readonly engine: ProcessEngine;
  readonly run: FakePorts;
  readonly id: string;
}

/** Creates a run and an engine that releases its obligations. */
export function createTestRun(
  stop: StopPolicy = { signal: 'SIGTERM', graceMs: 5_000 },
  options: Partial<ProcessEngineOptions> = {},
): TestRun {
  const made = createTestEngine(options);
  const run = fakePorts({ stop, releasers: { process: made.release } });
  return { engine: made, run, id: run.ports.run };
}

/** Stops the run, releases its obligations, and returns the receipt. */
export function cancel({ run, engine: { release } }: TestRun): ReturnType<FakePorts['releaseAll']> {
  run.abort('cancelled');
  return run.releaseAll({ process: release });
}

/** Returns the pids of living processes that have `text` in their arguments or environment. */
export function findLiving(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid) || pid === process.pid || readProcess(pid)?.living !== true) return false;
      try {
        return ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(text));
      } catch {
        return false;
      }
    });
}

export function countOpenFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Waits until `condition` returns true. Rejects with `what` after `ms`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until `value` has not changed for `ms`. Returns the value. */
export async function waitUntilStable<T>(value: () => T, ms = 300): Promise<T> {
  let last = value();
  let since = performance.now();
  await until('the value stays the same', () => {
    if (value() === last) return performance.now() - since > ms;
    last = value();
    since = performance.now();
    return false;
  });
  return last;
}

/** Calls `work` with a temporary folder and removes the folder afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>, parent = tmpdir()): Promise<T> {
  const folder = await fs.mkdtemp(path.join(parent, 'distillery-process-'));
  try {
    return await work(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

export async function expectRejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the promise did not reject');
}
