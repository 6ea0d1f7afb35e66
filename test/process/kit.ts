// What the process tests share: an engine, a run to work for, and looks at what is really alive.

import { readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import { createProcessEngine } from '../../server/process/engine.ts';
import type { ProcessEngine } from '../../server/process/engine.ts';
import { readProcess } from '../../server/process/proc.ts';
import { silent } from '../../server/support/logger.ts';
import { fakePorts } from '../helpers/ports.ts';
import type { FakePorts } from '../helpers/ports.ts';

export const drainMs = 200;

export function engine(options: { readonly environment?: readonly string[] } = {}): ProcessEngine {
  return createProcessEngine({ environment: ['PATH'], limits: { drainMs }, log: silent, ...options });
}

export interface Bench {
  readonly engine: ProcessEngine;
  readonly run: FakePorts;
  readonly id: string;
}

/** A run and an engine that ends what the run owes. */
export function bench(stop: StopPolicy = { signal: 'SIGTERM', graceMs: 5_000 }, options: { readonly environment?: readonly string[] } = {}): Bench {
  const made = engine(options);
  const run = fakePorts({ stop, releasers: { process: made.release } });
  return { engine: made, run, id: run.ports.run };
}

/** Asks the run to stop, releases what it owes, and gives the receipt. */
export function cancel({ run, engine: { release } }: Bench): ReturnType<FakePorts['releaseWith']> {
  run.abort('cancelled');
  return run.releaseWith({ process: release });
}

/** Pids of living processes that carry `text` in their arguments or environment. */
export function living(text: string): number[] {
  return readdirSync('/proc').map(Number).filter((pid) => {
    if (!Number.isInteger(pid) || pid === process.pid || readProcess(pid)?.living !== true) return false;
    try {
      return ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(text));
    } catch {
      return false;
    }
  });
}

export function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Waits until `is` gives something true, looking again and again. */
export async function until(what: string, is: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const over = performance.now() + ms;
  while (!(await is())) {
    if (performance.now() > over) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until `value` has stayed the same for `ms`, and gives it. */
export async function settled<T>(value: () => T, ms = 300): Promise<T> {
  let last = value();
  let since = performance.now();
  await until('it settles', () => {
    if (value() === last) return performance.now() - since > ms;
    last = value();
    since = performance.now();
    return false;
  });
  return last;
}

/** Runs `work` in a folder of its own that is gone afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await fs.mkdtemp(path.join(tmpdir(), 'distillery-process-'));
  try {
    return await work(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

export async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
