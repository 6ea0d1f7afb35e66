// Starts processes: with posix_spawn, whose cost does not depend on the memory of the gateway, or with child_process.

import { existsSync } from 'node:fs';
import type { Exit } from '../../../calls/contract/engines.ts';
import { canMark, withLimitMark } from '../procfs/limit-mark.ts';
import { type ForkedProcess, forkProcess } from './child-process.ts';
import { type Libc, loadLibc, SystemError } from './libc.ts';
import { openPipes, type ProcessPipes, takeSockets } from './pipes.ts';
import { Reaper } from './reaper.ts';
import type { StartRequest } from './start-request.ts';
import { type MarkedSpawn, StartThread } from './start-thread.ts';
import { commandForUser } from './user-command.ts';

export type StarterName = 'posix_spawn' | 'child_process';

export interface StartedProcess {
  readonly pid: number;
  /**
   * Resolves when the process has exited; its last output may arrive later. Empty if other code in this process has
   * reaped it. Never rejects.
   */
  readonly exited: Promise<Exit>;
  /** Absent for a process on a terminal. */
  readonly pipes?: ProcessPipes;
}

export interface Starter {
  readonly name: StarterName;
  /** Why `name` is not `posix_spawn`. */
  readonly reason?: string;
  /**
   * Knows the children of this process. Absent if this process cannot list or mark them, or cannot become a subreaper.
   */
  readonly reaper?: Reaper;
  /** Starts a process. Rejects if it cannot start; the error has the code of the system, such as `ENOENT`. */
  start(request: StartRequest): Promise<StartedProcess>;
}

const shell = '/bin/sh';

/** All engines share one starter, because children, limits and signals belong to the whole process. */
let shared: Starter | undefined;

/** Returns the starter for this machine. `forced` is `child_process` if a test or the operator requires it. */
export function getStarter(forced?: StarterName): Starter {
  if (forced === 'child_process') return createForkStarter('selected by the variable DISTILLERY_STARTER');
  return (shared ??= createBestStarter());
}

function createBestStarter(): Starter {
  try {
    const libc = loadLibc();
    const thread = new StartThread(libc);
    const system: System = { libc, reaper: new Reaper(libc, () => thread.systemId), thread };
    return {
      name: 'posix_spawn',
      ...(canFollowDescendants(libc) && { reaper: system.reaper }),
      start: (request) => spawn(system, request),
    };
  } catch (error) {
    // Keep only the first line: in Node's message about a missing package, a stack follows it.
    const [reason = ''] = String((error as Error).message).split('\n');
    return createForkStarter(reason);
  }
}

/**
 * Becomes a subreaper if the kernel lists the children of a process and lets the gateway mark them. Otherwise only a
 * scan of all processes of the machine finds what a run has started.
 */
function canFollowDescendants(libc: Libc): boolean {
  return existsSync('/proc/thread-self/children') && canMark(libc) && libc.becomeSubreaper();
}

function createForkStarter(reason: string): Starter {
  return {
    name: 'child_process',
    reason,
    start: async (request) => {
      const { terminal } = request;
      const stdio = terminal === undefined ? (['pipe', 'pipe', 'pipe'] as const) : terminalStdio(terminal);
      const { child, pid, exited } = await forkProcess(request, stdio);
      return { pid, exited, ...(terminal === undefined && { pipes: takeSockets(child) }) };
    },
  };
}

interface System {
  readonly libc: Libc;
  readonly reaper: Reaper;
  readonly thread: StartThread;
}

async function spawn(system: System, request: StartRequest): Promise<StartedProcess> {
  const { terminal } = request;
  if (terminal !== undefined) return spawnOn(system, request, terminalStdio(terminal));
  const { pipes, childFds, closeChildEnds, closeGatewayEnds } = openPipes(system.libc, request.uid);
  try {
    return { ...(await spawnOn(system, request, childFds)), pipes };
  } catch (error) {
    closeGatewayEnds();
    throw error;
  } finally {
    closeChildEnds();
  }
}

type Stdio = readonly [number, number, number];

async function spawnOn(
  { libc, reaper, thread }: System,
  request: StartRequest,
  stdio: Stdio,
): Promise<Omit<StartedProcess, 'pipes'>> {
  const command = commandInCgroup(request, commandForUser(request));
  const pid = command && (await spawnOrInterpret(thread, { ...request, ...command, stdio }));
  if (pid !== undefined) return { pid, exited: reaper.waitFor(pid) };
  const { uid: _uid, gid: _gid, ...sameUser } = request;
  const direct = command === undefined ? request : { ...sameUser, ...command };
  const fork = (): Promise<ForkedProcess> => forkProcess(direct, stdio);
  const forked = await thread.startWithoutThread(() => withLimitMark(libc, request.mark, fork));
  return { pid: forked.pid, exited: forked.exited };
}

/**
 * Returns a command for a shell that moves itself to the cgroup and then executes `command`. It moves before `command`
 * changes the user, because that user may lack the right to write to the cgroup.
 */
function commandInCgroup(
  { file, cgroup, env }: StartRequest,
  command: ReturnType<typeof commandForUser>,
): ReturnType<typeof commandForUser> {
  if (cgroup === undefined) return command;
  if (command === undefined) throw new SystemError('setpriv', 'EACCES');
  const [name, ...args] = command.argv;
  const program = command.file === file && env['PATH'] !== undefined ? name : command.file;
  return { file: shell, argv: ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup, program, ...args] };
}

/**
 * Starts a program. If it is a script without an interpreter line, starts the shell for it, as execvp(3) and every
 * shell do.
 */
async function spawnOrInterpret(thread: StartThread, options: MarkedSpawn): Promise<number | undefined> {
  try {
    return await thread.spawn(options);
  } catch (error) {
    if ((error as SystemError).code !== 'ENOEXEC') throw error;
    const [, ...args] = options.argv;
    return thread.spawn({ ...options, file: shell, argv: [shell, options.file, ...args] });
  }
}

function terminalStdio(fd: number): readonly [number, number, number] {
  return [fd, fd, fd];
}
