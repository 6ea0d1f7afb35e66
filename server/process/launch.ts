// Starts a journaled process of a run in its own session and records its pid and start time.

import type { ProgramSpec } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { omitUndefined } from '../../calls/text/omit-undefined.ts';
import type { Json } from '../../protocol/run-record.ts';
import type { Logger } from '../support/logger.ts';
import type { Cgroups } from './cgroup/cgroups.ts';
import { cannotStart } from './check-start.ts';
import type { OpenInputs } from './open-inputs.ts';
import { readProcess } from './procfs/procfs.ts';
import type { StartedProcess, Starter } from './start/starter.ts';
import type { OutputDrain } from './wait-for-exit.ts';

/** What the engine provides for each start. */
export interface SpawnContext {
  readonly environment: readonly string[];
  readonly drain: OutputDrain;
  readonly log: Logger;
  readonly inputs: OpenInputs;
  readonly starter: Starter;
  readonly cgroups: Cgroups;
  /** Journals an obligation for a program that is about to start. */
  openObligation(ports: RunPorts, program: string, facts?: ObligationFacts): OpenedObligation;
}

/** What is known of a process before its start. */
export interface ObligationFacts {
  readonly cgroup?: string;
  readonly terminal?: true;
}

export interface OpenedObligation extends Obligation {
  readonly id: string;
  /** The mark for the process, created by `createLimitMark`. */
  readonly mark: bigint;
}

export interface LaunchOptions {
  /** The program to execute (absolute path) and its argv. For a terminal, both differ from those of the spec. */
  readonly file: string;
  readonly argv?: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Descriptor of the terminal to use as standard input, output and error. Absent: pipes. */
  readonly terminal?: number;
  /** Folder of the cgroup in which the program starts. */
  readonly cgroup?: string | undefined;
}

/**
 * Starts the process and adds its identity to the journal entry of `obligation`. Until then, a later gateway can
 * recognize the process only by its mark and environment, so `obligation` must be journaled already. Rejects with
 * WorkFailed when the process cannot start.
 */
export async function launch(
  { starter }: Pick<SpawnContext, 'starter'>,
  spec: ProgramSpec,
  {
    obligation,
    cgroup,
    file,
    argv = spec.argv,
    env,
    terminal,
  }: LaunchOptions & { readonly obligation: OpenedObligation },
): Promise<StartedProcess> {
  const { cwd, umask, uid, gid } = spec;
  // For a terminal, the program `setsid` creates the session.
  const newSession = terminal === undefined;
  const request = {
    file,
    argv,
    env,
    newSession,
    mark: obligation.mark,
    ...omitUndefined({ cwd, umask, uid, gid, terminal, cgroup }),
  };
  const starting = starter.start(request).then((started) => {
    obligation.update(identityDetails(started));
    return started;
  });
  obligation.pendingUntil(starting);
  try {
    return await starting;
  } catch (error) {
    throw toStartError(spec, error);
  }
}

/** Throws WorkFailed if the run is already stopping. */
export function assertNotStopped(ports: RunPorts, program: string): void {
  if (ports.signal.aborted) throw cannotStart(program, 'the run was stopped before the process started');
}

function identityDetails({ pid, pipes }: StartedProcess): Record<string, Json> {
  const info = readProcess(pid);
  if (info === undefined) return { pid };
  return { pid, startTime: info.startTime, files: pipes?.files ?? [] };
}

const startErrorTexts: Readonly<Record<string, string>> = {
  ENOENT: 'the program or the interpreter named in its first line does not exist',
  EACCES: 'permission denied: its user may not execute the program or enter its folder',
  EPERM: 'the system does not permit it',
  E2BIG: 'its arguments and environment are too long for the system',
  EAGAIN: 'the system has reached its limit of processes',
  ENOMEM: 'the system is out of memory',
  EMFILE: 'the gateway has too many open files; raise its limit of open files',
  ENFILE: 'the system has too many open files',
  ENOEXEC: 'it is not a program that this system can execute',
};

function toStartError({ argv: [program] }: ProgramSpec, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return cannotStart(program, startErrorTexts[code] ?? (code === '' ? String(error) : `system error ${code}`));
}
