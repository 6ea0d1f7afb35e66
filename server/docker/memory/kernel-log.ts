// Reads the kernel log to find the containers in which the kernel has killed a process for lack of memory.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OomVictims } from './oom-victims.ts';

const device = { path: '/dev/kmsg', major: 1, minor: 11 } as const;
/** Maximum size of a record that the kernel returns. */
const recordBytesMax = 8 << 10;
/** Number of records that are read in one event-loop turn. */
const batchRecords = 64;
/** Time after which a read ends even if more records follow, so that a kernel that logs a lot does not delay runs. */
const readMs = 1_000;

/** The kernel's records since its start, except those that it has already overwritten. */
class KernelLog {
  readonly #victims = new OomVictims();
  readonly #buffer = Buffer.alloc(recordBytesMax);
  /** Undefined before `open`; `unreadable` if there is no such log, or the gateway may not read it. */
  #file: number | 'unreadable' | undefined;
  #reading: Promise<void> = Promise.resolve();
  /**
   * A read that has not begun. All checks that arrive before it begins share this read, so that no check waits for more
   * than two reads.
   */
  #nextRead: Promise<void> | undefined;

  /** Opens the log for the life of this process. Idempotent; reads nothing. */
  open(): number | 'unreadable' {
    return (this.#file ??= openLog());
  }

  /**
   * Returns true if the kernel of this machine reports that it killed a process of the container for lack of memory.
   * The kernel logs the kill before it sends the signal, so a check after the exit finds it. False can also mean that
   * the cause is unknown: the log may be unreadable, the container may run on another machine, or the kernel may not
   * have logged the kill.
   */
  async hasOomKill(container: string): Promise<boolean> {
    this.#nextRead ??= this.#reading.then(() => {
      this.#nextRead = undefined;
      return this.#readNew();
    });
    this.#reading = this.#nextRead;
    await this.#nextRead;
    return this.#victims.has(container);
  }

  async #readNew(): Promise<void> {
    const file = this.open();
    const deadline = performance.now() + readMs;
    while (file !== 'unreadable' && this.#readBatch(file) && performance.now() < deadline) await nextTurn();
  }

  /** Returns false after the last record. */
  #readBatch(file: number): boolean {
    for (let n = 0; n < batchRecords; n += 1) {
      try {
        const length = readSync(file, this.#buffer);
        this.#victims.add(this.#buffer.toString('latin1', 0, length));
      } catch (error) {
        // EPIPE: the kernel has overwritten the next records. The following read returns the oldest that it still has.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return false;
      }
    }
    return true;
  }
}

/** The log of the kernel that this process runs on. */
export const kernelLog = new KernelLog();

function openLog(): number | 'unreadable' {
  try {
    const file = openSync(device.path, constants.O_RDONLY | constants.O_NONBLOCK);
    // In some containers, this path is another device.
    if (fstatSync(file).rdev === ((device.major << 8) | device.minor)) return file;
    closeSync(file);
  } catch {
    // Without CAP_SYSLOG, most systems deny this.
  }
  return 'unreadable';
}
