// Waits for the children that libuv does not know. These are processes started by posix_spawn, and processes whose own
// parent has ended: they become children of the gateway, because it is a subreaper.
//
// Children belong to the whole process, so there is one reaper for all engines. libuv waits for each of its children by
// pid, so neither libuv nor the reaper takes a child of the other. The children of child_process count as started here,
// including those that a call module starts. They may have the mark of a run that was starting at the same time.

import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import type { Exit } from '../../../calls/contract/engines.ts';
import { readChildren, readProcess } from '../procfs/procfs.ts';
import type { Libc } from './libc.ts';

/**
 * How long an unknown child must have been a zombie before it is reaped. libuv reaps its own children in the first
 * event-loop turn after their exit, so what remains is a parentless process.
 */
const unknownZombieMs = 1000;
/** How often to check each awaited child. A SIGCHLD may be lost, and other code may reap a child. */
const pollMs = 1000;

export class Reaper {
  readonly #libc: Pick<Libc, 'peekExitedChild' | 'reap'>;
  readonly #startThread: () => number | undefined;
  readonly #listeners = new Map<number, (exit: Exit) => void>();
  readonly #started = new Set<number>();
  /** Children that child_process has started. Some of them may have ended. */
  #nodeChildren: readonly ChildProcess[] = [];
  /** Zombies that this reaper does not wait for, with the time of the first check (performance.now()). */
  #unknownZombies = new Map<number, number>();
  #sweep: NodeJS.Timeout | undefined;
  /** Checks for exits while children are awaited. Also keeps the event loop alive, as libuv does for its own. */
  #poll: NodeJS.Timeout | undefined;

  /** `startThread` returns the id of the thread that starts processes; undefined if it has started none yet. */
  constructor(libc: Pick<Libc, 'peekExitedChild' | 'reap'>, startThread: () => number | undefined) {
    this.#libc = libc;
    this.#startThread = startThread;
    process.on('SIGCHLD', () => this.#reapExited());
    subscribe('child_process', (message) => this.#addNodeChild((message as { process: ChildProcess }).process));
  }

  /**
   * Resolves with the exit of a child that was started with posix_spawn; empty if other code has reaped it. Never
   * rejects. The child stays in /proc at least until the end of this event-loop turn.
   */
  waitFor(pid: number): Promise<Exit> {
    this.#started.add(pid);
    this.#poll ??= setInterval(() => this.#reapListened(), pollMs);
    return new Promise((resolve) => {
      this.#listeners.set(pid, resolve);
      // The child may have exited before its pid was known.
      setImmediate(() => this.#reap(pid));
    });
  }

  /** Number of children that are reaped as soon as they exit. */
  get awaitedCount(): number {
    return this.#listeners.size;
  }

  /**
   * Returns the children of this process, with those that have exited and are not reaped yet. The kernel lists a child
   * with the thread that has started it. A process can also make its child a sibling (CLONE_PARENT).
   */
  listChildren(): readonly number[] {
    const thread = this.#startThread();
    const ofMain = readChildren(process.pid);
    return thread === undefined ? ofMain : [...ofMain, ...readChildren(process.pid, thread)];
  }

  /** True for a child that this process has started and that is not reaped yet. */
  hasStarted(pid: number): boolean {
    return this.#started.has(pid) || this.#nodeChildren.some((child) => child.pid === pid && isRunning(child));
  }

  /** Reaps this child as soon as it exits. For a living child that this process has not started. Idempotent. */
  adopt(pid: number): void {
    if (!this.#listeners.has(pid)) this.#listeners.set(pid, () => {});
  }

  /** Keeps the object instead of the pid: Node announces a child before its start, when it has no pid yet. */
  #addNodeChild(child: ChildProcess): void {
    this.#nodeChildren = [...this.#nodeChildren.filter(isRunning), child];
  }

  #reapExited(): void {
    for (let exited = this.#libc.peekExitedChild(); exited !== undefined; exited = this.#libc.peekExitedChild()) {
      if (!this.#reap(exited.pid)) {
        // `peekExitedChild` returns this child again and again, because the reaper does not wait for it. So check each
        // awaited child by its pid.
        this.#reapListened();
        this.#sweepLater();
        return;
      }
    }
  }

  #reapListened(): void {
    for (const pid of [...this.#listeners.keys()]) this.#reap(pid);
  }

  /** Returns true if the reaper no longer waits for this child. */
  #reap(pid: number): boolean {
    const report = this.#listeners.get(pid);
    if (report === undefined) return false;
    const exit = this.#libc.reap(pid);
    if (exit === 'running') return false;
    this.#listeners.delete(pid);
    this.#started.delete(pid);
    if (this.#listeners.size === 0) this.#stopPolling();
    report(exit === 'not-a-child' ? {} : exit);
    return true;
  }

  #stopPolling(): void {
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  #sweepLater(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      this.#sweepUnknown();
    }, unknownZombieMs).unref();
  }

  /** Reaps zombies that nothing waits for. */
  #sweepUnknown(): void {
    const now = performance.now();
    const zombies = new Map<number, number>();
    for (const pid of this.listChildren()) {
      if (this.#listeners.has(pid) || readProcess(pid)?.living !== false) continue;
      const since = this.#unknownZombies.get(pid) ?? now;
      if (now - since < unknownZombieMs || this.#libc.reap(pid) === 'running') zombies.set(pid, since);
    }
    this.#unknownZombies = zombies;
    if (zombies.size > 0) this.#sweepLater();
  }
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}
