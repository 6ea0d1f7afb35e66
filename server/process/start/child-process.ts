// Starts a process with Node's child_process, which forks the gateway. Used where posix_spawn is not available, and for
// programs of another user that might not start: child_process reports why.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Exit } from '../../../calls/contract/engines.ts';
import { maskInheritedFds } from '../procfs/inherited-fds.ts';
import type { StartRequest } from './start-request.ts';

export interface ForkedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when the process has exited; its last output may arrive later. Never rejects. */
  readonly exited: Promise<Exit>;
}

/** Rejects with the error of the system if the process could not be started. */
export async function forkProcess(request: StartRequest, stdio: readonly ('pipe' | number)[]): Promise<ForkedProcess> {
  const child = withUmask(request.umask, () => fork(request, stdio));
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? { exitCode: code ?? 0 } : { signal }));
  });
  if (child.pid !== undefined) {
    child.on('error', () => {});
    return { child, pid: child.pid, exited };
  }
  const [error] = await once(child, 'error');
  throw error;
}

function fork(request: StartRequest, stdio: readonly ('pipe' | number)[]): ChildProcess {
  const { argv, env, newSession } = request;
  const [name, ...args] = argv;
  const mask = maskInheritedFds();
  try {
    return spawn(request.file, args, {
      ...folderAndUser(request),
      argv0: name,
      env,
      detached: newSession,
      stdio: [...stdio, ...mask.stdio],
    });
  } finally {
    mask.close();
  }
}

function folderAndUser({ cwd, uid, gid }: StartRequest): Pick<SpawnOptions, 'cwd' | 'uid' | 'gid'> {
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

/** Calls `start` with this umask. `start` must be synchronous, because the umask belongs to the whole process. */
function withUmask<T>(umask: number | undefined, start: () => T): T {
  if (umask === undefined) return start();
  const previous = process.umask(umask);
  try {
    return start();
  } finally {
    process.umask(previous);
  }
}
