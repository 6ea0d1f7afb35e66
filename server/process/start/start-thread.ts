// A thread that starts processes. posix_spawn blocks its caller until the new process executes its program. On a busy
// machine, the new process first waits for a processor. The main thread has to serve all watchers meanwhile.
//
// The threads of libuv are no alternative: slow disks may occupy all of them. The thread lives as long as the gateway,
// because a process may ask the kernel to end it with the thread that started it (PR_SET_PDEATHSIG).

import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { realTimeLimit } from '../procfs/limit-mark.ts';
import { type Libc, type SpawnOptions, SystemError } from './libc.ts';

export interface MarkedSpawn extends SpawnOptions {
  /** Value of the soft limit that marks the process. Absent: no mark. */
  readonly mark?: bigint;
  readonly umask?: number;
}

interface StartMessage {
  readonly id: number;
  /** Addresses of the arguments of posix_spawn. */
  readonly args: readonly bigint[];
  readonly mark: bigint | undefined;
  readonly umask: number | undefined;
}

/** The first message of the thread. */
interface StartedMessage {
  /** Number of the thread for the kernel. */
  readonly systemId: number;
}

interface StartResult {
  readonly id: number;
  /** What posix_spawn has returned, or `noUmask`. */
  readonly error: number;
}

/** The value of `StartResult.error` if the thread cannot have a umask of its own. */
const noUmask = -1;

/**
 * The code of the thread. The mark is a limit of the whole gateway, so it is set only while posix_spawn runs. The umask
 * belongs to the thread alone, after unshare(CLONE_FS).
 */
const code = `
const { readlinkSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const { koffi: path, limit, noUmask } = workerData;
const library = require(path).load(null);
const spawn = library.func('int posix_spawn(void *, void *, void *, void *, void *, void *)');
const getLimit = library.func('int getrlimit(int, void *)');
const setLimit = library.func('int setrlimit(int, void *)');
const setUmask = library.func('uint umask(uint)');
// The link is PID/task/TID.
parentPort.postMessage({ systemId: Number(readlinkSync('/proc/thread-self').split('/').pop()) });
const hasOwnUmask = library.func('int unshare(int)')(0x200) === 0;
const [before, marked] = [new BigUint64Array(128), new BigUint64Array(128)];

function withMark(mark, start) {
  if (mark === undefined || getLimit(limit, before) !== 0) return start();
  [marked[0], marked[1]] = [mark, before[1]];
  const isSet = setLimit(limit, marked) === 0;
  try { return start(); } finally { if (isSet) setLimit(limit, before); }
}

function withUmask(umask, start) {
  if (umask === undefined) return start();
  if (!hasOwnUmask) return noUmask;
  const previous = setUmask(umask);
  try { return start(); } finally { setUmask(previous); }
}

parentPort.on('message', ({ id, args, mark, umask }) => {
  const error = withUmask(umask, () => withMark(mark, () => spawn(...args)));
  parentPort.postMessage({ id, error });
});
`;

export class StartThread {
  readonly #libc: Pick<Libc, 'prepareSpawn'>;
  readonly #worker: Worker;
  readonly #inProgress = new Map<number, (error: number | SystemError) => void>();
  #count = 0;
  #systemId: number | undefined;
  /** True if the thread has ended. Only child_process can then start processes. */
  #hasFailed = false;
  /** Set while the main thread starts a process (`startWithoutThread`). Resolves when that is done. */
  #blocked: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(libc: Pick<Libc, 'prepareSpawn'>, koffi = createRequire(import.meta.url).resolve('koffi')) {
    this.#libc = libc;
    this.#worker = new Worker(code, {
      eval: true,
      name: 'start',
      // This code does not need the options of the main thread, such as loaders.
      execArgv: [],
      workerData: { koffi, limit: realTimeLimit, noUmask },
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    this.#worker.on('message', (message: StartedMessage | StartResult) => {
      if ('systemId' in message) this.#systemId = message.systemId;
      else this.#settle(message.id, message.error);
    });
    // Ignore the error here, because the event `exit` follows.
    this.#worker.on('error', () => {});
    this.#worker.on('exit', () => this.#fail());
    this.#worker.unref();
  }

  /** Number of the thread for the kernel; undefined until the thread runs. It has started no process before. */
  get systemId(): number | undefined {
    return this.#systemId;
  }

  /**
   * Starts a process and resolves with its pid. Rejects with a SystemError. Resolves with undefined if the thread
   * cannot start it: it cannot set the umask, or has ended. The thread performs one start at a time.
   */
  async spawn({ mark, umask, ...options }: MarkedSpawn): Promise<number | undefined> {
    while (this.#blocked !== undefined) await this.#blocked;
    if (this.#hasFailed) return undefined;
    const prepared = this.#libc.prepareSpawn(options);
    try {
      const error = await new Promise<number | SystemError>((resolve) => {
        this.#count += 1;
        if (this.#inProgress.size === 0) this.#worker.ref();
        this.#inProgress.set(this.#count, resolve);
        const message: StartMessage = { id: this.#count, args: prepared.args, mark, umask };
        this.#worker.postMessage(message);
      });
      if (error instanceof SystemError) throw error;
      return error === noUmask ? undefined : prepared.toPid(error);
    } finally {
      prepared.close();
    }
  }

  /**
   * Calls `start`, which starts a process in the main thread. First waits until the start thread has no start in
   * progress, because the new process could inherit the mark of another run.
   */
  async startWithoutThread<T>(start: () => T): Promise<T> {
    while (this.#blocked !== undefined) await this.#blocked;
    if (this.#inProgress.size === 0) return start();
    let unblock = (): void => {};
    this.#blocked = new Promise((resolve) => {
      unblock = resolve;
    });
    try {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      return start();
    } finally {
      this.#blocked = undefined;
      unblock();
    }
  }

  /** Rejects the starts in progress. If a process has started nevertheless, the release finds it by its mark. */
  #fail(): void {
    this.#hasFailed = true;
    for (const id of [...this.#inProgress.keys()]) this.#settle(id, new SystemError('posix_spawn', 'EINTR'));
  }

  #settle(id: number, error: number | SystemError): void {
    this.#inProgress.get(id)?.(error);
    this.#inProgress.delete(id);
    if (this.#inProgress.size > 0) return;
    this.#worker.unref();
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}
