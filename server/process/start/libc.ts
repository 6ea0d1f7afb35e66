// The functions of the C library that Node does not have: posix_spawn, pipes, waiting for any child, and limits. Called
// through koffi.
//
// The layouts of structures are those of 64-bit Linux. posix_spawnattr_t and posix_spawn_file_actions_t are opaque and
// at most 336 bytes large, in glibc and in musl.

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { Exit } from '../../../calls/contract/engines.ts';

/** A child that has exited and that is not reaped yet. */
export interface ExitedChild {
  readonly pid: number;
  readonly exit: Exit;
}

export interface SpawnOptions {
  /** Absolute path of the program. */
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Descriptors for standard input, output and error. All others are closed. */
  readonly stdio: readonly [number, number, number];
  /** True if the process becomes the leader of a new session. */
  readonly newSession: boolean;
}

/** The arguments of one call of posix_spawn, in memory that stays valid until `close`. */
export interface PreparedSpawn {
  /** The addresses to pass to posix_spawn. All threads of this process can use them. */
  readonly args: readonly bigint[];
  /** Returns the pid. `error` is what posix_spawn has returned. Throws a SystemError if that is not 0. */
  toPid(error: number): number;
  close(): void;
}

export interface Libc {
  /**
   * Prepares the start of a process with an empty signal mask and default signal actions. Throws a SystemError. Call
   * `close` of the result when posix_spawn has returned.
   */
  prepareSpawn(options: SpawnOptions): PreparedSpawn;
  /** Returns the read end and the write end of a new pipe, both close-on-exec. Throws a SystemError. */
  openPipe(): readonly [number, number];
  /** Returns any child that has exited and leaves it unreaped; undefined if there is none. */
  peekExitedChild(): ExitedChild | undefined;
  /** Reaps this child if it has exited. `not-a-child` if other code has reaped it, or it never was a child. */
  reap(pid: number): Exit | 'running' | 'not-a-child';
  /**
   * Makes this process the parent of its descendants whose own parent ends (a subreaper). Returns false if that is not
   * possible.
   */
  becomeSubreaper(): boolean;
  /**
   * Calls `work` while the soft limit `limit` of this process is `value`; processes started meanwhile inherit it.
   * Returns undefined without calling `work` if the limit cannot be set.
   */
  withSoftLimit<T>(limit: number, value: bigint, work: () => T): { readonly result: T } | undefined;
}

/** An error of a system call. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  /** `ENOENT` … */
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}

type Native = (...args: readonly unknown[]) => number;

interface Koffi {
  load(path: null): { func(definition: string): Native };
  address(buffer: Uint8Array): bigint;
  errno(): number;
}

const openCloseOnExec = 0o2000000;
const spawnSetSignalDefaults = 0x04;
const spawnSetSignalMask = 0x08;
const spawnSetSession = 0x80;
const waitAny = 0;
const waitById = 1;
const waitNoHang = 1;
const waitExited = 4;
const waitLeave = 0x01000000;
const childExitedByItself = 1;
const setChildSubreaper = 36;
/** More than the size of each of the opaque structures. */
const structBytes = 1024;
const processors: ReadonlySet<string> = new Set(['x64', 'arm64', 'riscv64', 'ppc64', 'loong64']);

/**
 * Loads the functions. Throws if koffi is not installed for this machine, or if the C library lacks one of them.
 */
export function loadLibc(): Libc {
  if (process.platform !== 'linux' || !processors.has(process.arch))
    throw new Error(`only 64-bit Linux is supported, and this is ${process.platform} on ${process.arch}`);
  const require = createRequire(import.meta.url);
  return new NativeLibc(require('koffi') as Koffi);
}

/** Memory that does not move: Node may keep small buffers in its own heap. */
function createStruct(): Buffer {
  return Buffer.alloc(structBytes);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const memory = Buffer.allocUnsafeSlow(bytes + structBytes);
  memory.write(text);
  memory[bytes] = 0;
  return memory;
}

class NativeLibc implements Libc {
  readonly #koffi: Koffi;
  readonly #functions: ReturnType<typeof bindFunctions>;
  readonly #attributes: { readonly plain: Buffer; readonly newSession: Buffer };
  readonly #result = createStruct();
  readonly #limit = createStruct();
  readonly #oldLimit = createStruct();

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    this.#functions = bindFunctions(koffi);
    const flags = spawnSetSignalDefaults | spawnSetSignalMask;
    this.#attributes = {
      plain: this.#createAttributes(flags),
      newSession: this.#createAttributes(flags | spawnSetSession),
    };
  }

  prepareSpawn({ file, argv, env, cwd, stdio, newSession }: SpawnOptions): PreparedSpawn {
    const native = this.#functions;
    const attributes = newSession ? this.#attributes.newSession : this.#attributes.plain;
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const [args, environment] = [this.#encodeStrings(argv), this.#encodeStrings(variables)];
    const [actions, pid, path] = [createStruct(), createStruct(), encodeString(file)];
    check('posix_spawn_file_actions_init', native.initActions(actions));
    const close = (): void => void native.destroyActions(actions);
    try {
      for (const [target, fd] of stdio.entries())
        check('posix_spawn_file_actions_adddup2', native.addDup(actions, fd, target));
      if (cwd !== undefined) check('posix_spawn_file_actions_addchdir_np', native.addChdir(actions, cwd));
      check('posix_spawn_file_actions_addclosefrom_np', native.addCloseFrom(actions, 3));
    } catch (error) {
      close();
      throw error;
    }
    const memory = [pid, path, actions, attributes, args, environment] as const;
    return {
      args: memory.map((part) => this.#koffi.address(part)),
      toPid: (error) => {
        check('posix_spawn', error);
        return new Int32Array(pid.buffer, pid.byteOffset, 1)[0]!;
      },
      // Refers to `memory`, so that the garbage collector keeps the arguments until this call.
      close: () => {
        if (memory.length > 0) close();
      },
    };
  }

  openPipe(): readonly [number, number] {
    if (this.#functions.pipe(this.#result, openCloseOnExec) !== 0) throw new SystemError('pipe2', this.#lastError());
    const [read = -1, write = -1] = new Int32Array(this.#result.buffer, this.#result.byteOffset, 2);
    return [read, write];
  }

  peekExitedChild(): ExitedChild | undefined {
    const exited = this.#wait(waitAny, 0, waitExited | waitNoHang | waitLeave);
    return typeof exited === 'string' ? undefined : exited;
  }

  reap(pid: number): Exit | 'running' | 'not-a-child' {
    const exited = this.#wait(waitById, pid, waitExited | waitNoHang);
    return typeof exited === 'string' ? exited : exited.exit;
  }

  becomeSubreaper(): boolean {
    return this.#functions.control(setChildSubreaper, 1, 0, 0, 0) === 0;
  }

  withSoftLimit<T>(limit: number, value: bigint, work: () => T): { readonly result: T } | undefined {
    const { getLimit, setLimit } = this.#functions;
    if (getLimit(limit, this.#oldLimit) !== 0) return undefined;
    // struct rlimit: the soft limit, then the hard limit.
    this.#oldLimit.copy(this.#limit, 0, 0, 16);
    new BigUint64Array(this.#limit.buffer, this.#limit.byteOffset, 1)[0] = value;
    if (setLimit(limit, this.#limit) !== 0) return undefined;
    try {
      return { result: work() };
    } finally {
      setLimit(limit, this.#oldLimit);
    }
  }

  #wait(kind: number, pid: number, options: number): ExitedChild | 'running' | 'not-a-child' {
    // Clear the structure first, because the kernel leaves it unchanged if no child has exited.
    this.#result.fill(0, 0, 32);
    if (this.#functions.wait(kind, pid, this.#result, options) !== 0) return 'not-a-child';
    // siginfo_t: si_signo, si_errno, si_code, padding, si_pid, si_uid, si_status.
    const info = new Int32Array(this.#result.buffer, this.#result.byteOffset, 7);
    if (info[4] === 0) return 'running';
    const status = info[6]!;
    return {
      pid: info[4]!,
      exit: info[2] === childExitedByItself ? { exitCode: status } : { signal: signalName(status) },
    };
  }

  #createAttributes(flags: number): Buffer {
    const native = this.#functions;
    const attributes = createStruct();
    check('posix_spawnattr_init', native.initAttributes(attributes));
    check('posix_spawnattr_setflags', native.setFlags(attributes, flags));
    check('posix_spawnattr_setsigmask', native.setSignalMask(attributes, createStruct()));
    check('posix_spawnattr_setsigdefault', native.setSignalDefaults(attributes, createStruct().fill(0xff)));
    return attributes;
  }

  /** Returns an array of pointers, with the strings behind it. */
  #encodeStrings(strings: readonly string[]): Buffer {
    const headBytes = 8 * (strings.length + 1);
    const lengths = strings.map((text) => Buffer.byteLength(text) + 1);
    const memory = Buffer.allocUnsafeSlow(lengths.reduce((sum, length) => sum + length, headBytes + structBytes));
    const pointers = new BigUint64Array(memory.buffer, memory.byteOffset, strings.length + 1);
    const start = this.#koffi.address(memory);
    let at = headBytes;
    for (const [index, text] of strings.entries()) {
      pointers[index] = start + BigInt(at);
      memory.write(text, at);
      at += lengths[index]!;
      memory[at - 1] = 0;
    }
    pointers[strings.length] = 0n;
    return memory;
  }

  #lastError(): string {
    return errorName(this.#koffi.errno());
  }
}

function bindFunctions(koffi: Koffi) {
  const library = koffi.load(null);
  const bind = (definition: string): Native => library.func(definition);
  return {
    initActions: bind('int posix_spawn_file_actions_init(void *actions)'),
    destroyActions: bind('int posix_spawn_file_actions_destroy(void *actions)'),
    addDup: bind('int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)'),
    addChdir: bind('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)'),
    addCloseFrom: bind('int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)'),
    initAttributes: bind('int posix_spawnattr_init(void *attributes)'),
    setFlags: bind('int posix_spawnattr_setflags(void *attributes, short flags)'),
    setSignalMask: bind('int posix_spawnattr_setsigmask(void *attributes, void *signals)'),
    setSignalDefaults: bind('int posix_spawnattr_setsigdefault(void *attributes, void *signals)'),
    pipe: bind('int pipe2(void *fds, int flags)'),
    wait: bind('int waitid(int kind, uint id, void *info, int options)'),
    control: bind('int prctl(int option, ulong a, ulong b, ulong c, ulong d)'),
    getLimit: bind('int getrlimit(int limit, void *values)'),
    setLimit: bind('int setrlimit(int limit, void *values)'),
  } as const;
}

function check(call: string, error: number): void {
  if (error !== 0) throw new SystemError(call, errorName(error));
}

function errorName(error: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === error)?.[0] ?? `error ${error}`;
}

function signalName(signal: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === signal)?.[0] ?? `signal ${signal}`;
}
