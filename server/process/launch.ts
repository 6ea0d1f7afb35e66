// Starts the process of a run: journaled first, spawned in its own session, then known by pid and start time.

import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Exit, ProcessSpec } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import type { Json } from '../../protocol/record.ts';
import type { Logger } from '../support/logger.ts';
import { coverInherited } from './inherited.ts';
import type { Inputs } from './inputs.ts';
import { readProcess, readStandardFiles } from './proc.ts';
import { cannotStart } from './program.ts';

/** What the engine lends to each start. */
export interface Host {
  readonly environment: readonly string[];
  readonly drainMs: number;
  readonly log: Logger;
  readonly inputs: Inputs;
  /** Journals the obligation for a program about to be started. */
  owe(ports: RunPorts, program: string): Obligation & { readonly id: string };
}

export interface Launched {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when the process itself has ended; its output may still be on the way. Never rejects. */
  readonly exited: Promise<Exit>;
}

export interface LaunchOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Standard input, output and error, as child_process has them. */
  readonly stdio: readonly ('pipe' | number)[];
  /** True makes the process lead a session of its own. */
  readonly detached: boolean;
  /** What is really executed; the argv of the spec unless said otherwise. */
  readonly argv?: readonly [string, ...string[]];
  /** What the journal is to know beside pid and start time. */
  readonly facts?: Readonly<Record<string, Json>>;
}

/**
 * Spawns and learns in one synchronous step, so that there is never a half-born process. `obligation` must be journaled already.
 * Throws WorkFailed when the system refuses.
 */
export async function launch(spec: ProcessSpec, obligation: Obligation, options: LaunchOptions): Promise<Launched> {
  const child = attempt(spec, options);
  const failed = new Promise<Error>((resolve) => child.on('error', resolve));
  if (child.pid === undefined) throw refused(spec, await failed);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? { exitCode: code ?? 0 } : { signal }));
  });
  obligation.learn({ ...identity(child.pid), ...options.facts });
  return { child, pid: child.pid, exited };
}

/** Refuses to start what is to be stopped already. */
export function checkWanted(ports: RunPorts, program: string): void {
  if (ports.signal.aborted) throw cannotStart(program, 'the run was stopped before it began');
}

function attempt(spec: ProcessSpec, { argv = spec.argv, stdio, env, detached }: LaunchOptions): ChildProcess {
  const [program, ...args] = argv;
  const cover = coverInherited();
  // The umask is the whole program's; spawn is synchronous, so nothing else can see it changed.
  const before = spec.umask === undefined ? undefined : process.umask(spec.umask);
  try {
    return spawn(program, args, { ...whereAndWho(spec), env, detached, stdio: [...stdio, ...cover.stdio] });
  } catch (error) {
    throw refused(spec, error);
  } finally {
    if (before !== undefined) process.umask(before);
    cover.close();
  }
}

function whereAndWho({ cwd, uid, gid }: ProcessSpec): Pick<SpawnOptions, 'cwd' | 'uid' | 'gid'> {
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

function identity(pid: number): Record<string, Json> {
  const seen = readProcess(pid);
  return { pid, ...(seen === undefined ? {} : { startTime: seen.startTime, files: readStandardFiles(pid) }) };
}

const refusals: Readonly<Record<string, string>> = {
  ENOENT: 'the program, or the interpreter named in its first line, does not exist',
  EACCES: 'permission denied: the user it is to run as may not execute it or enter its folder',
  EPERM: 'the system does not permit it',
  E2BIG: 'its arguments and environment are too long for the system',
  EAGAIN: 'the system has no room for another process',
  ENOMEM: 'the system has no memory for another process',
  EMFILE: 'the gateway has too many files open; raise its limit of open files',
  ENFILE: 'the system has too many files open',
  ENOEXEC: 'it is not a program this system can execute',
};

function refused({ argv: [program] }: ProcessSpec, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return cannotStart(program, refusals[code] ?? (code === '' ? String(error) : `the system says ${code}`));
}
