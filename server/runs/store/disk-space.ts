// Decides whether the disk has space for new runs, and describes the storage.

import { statfsSync } from 'node:fs';
import type { Logger } from '../../support/logger.ts';
import { storageErrorText } from './storage-error.ts';
import type { RunStore } from './store.ts';

export interface DiskSpaceDeps {
  /** The data folder. */
  readonly folder: string;
  readonly store: Pick<RunStore, 'writeError' | 'saveAgeClock' | 'totals'>;
  /** Returns the limit `diskFreeMin`. */
  readonly freeMin: () => number;
  /** Called when new runs are rejected, so that retention may free space. */
  readonly onShort: () => void;
  readonly log: Logger;
}

export interface StorageStatus {
  /** False while new runs are rejected. */
  readonly ok: boolean;
  readonly reason?: string;
  /** Free space on the disk of the data folder. */
  readonly freeBytes: number;
  /** Free space below which new runs are rejected. */
  readonly minFreeBytes: number;
  /** Size of the output and artifacts of all ended runs. */
  readonly outputBytes: number;
}

interface DiskState {
  readonly freeBytes: number;
  readonly minFreeBytes: number;
  readonly reason: string | undefined;
}

/** A check costs a system call, so a check that found enough space is valid for this time. */
const validMs = 200;
/** If no minimum is configured, it is the size of the disk divided by `minShare`, but at most `minBytesMax`. */
const minShare = 20;
const minBytesMax = 64 << 20;

export class DiskSpace {
  readonly #deps: DiskSpaceDeps;
  #state: DiskState | undefined;
  #checkedMs = -Infinity;

  constructor(deps: DiskSpaceDeps) {
    this.#deps = deps;
  }

  /** Returns why new runs are rejected at present; undefined if they are not. */
  rejectionReason(): string | undefined {
    return this.#check().reason;
  }

  status(): StorageStatus {
    const { freeBytes, minFreeBytes, reason } = this.#check();
    const outputBytes = this.#deps.store.totals().reduce((sum, { bytes }) => sum + bytes, 0);
    return { ok: reason === undefined, ...(reason !== undefined && { reason }), freeBytes, minFreeBytes, outputBytes };
  }

  #check(): DiskState {
    const before = this.#state?.reason;
    if (this.#state !== undefined && before === undefined && performance.now() - this.#checkedMs < validMs)
      return this.#state;
    this.#state = this.#tryRead();
    this.#checkedMs = performance.now();
    const { reason, freeBytes } = this.#state;
    if (reason !== undefined) this.#deps.onShort();
    if (reason !== undefined && before === undefined)
      this.#deps.log.warn({ reason, freeBytes }, 'new runs are rejected until the disk has space');
    if (reason === undefined && before !== undefined) this.#deps.log.info({ freeBytes }, 'new runs are accepted again');
    return this.#state;
  }

  #tryRead(): DiskState {
    try {
      return this.#read();
    } catch (error) {
      return { freeBytes: 0, minFreeBytes: 0, reason: storageErrorText(error) };
    }
  }

  #read(): DiskState {
    const { bsize, blocks, bavail } = statfsSync(this.#deps.folder);
    const freeBytes = bavail * bsize;
    const minFreeBytes = this.#deps.freeMin() || Math.min(minBytesMax, Math.floor((blocks * bsize) / minShare));
    if (freeBytes < minFreeBytes) {
      const facts = `${showBytes(freeBytes)} free, diskFreeMin is ${showBytes(minFreeBytes)}`;
      return { freeBytes, minFreeBytes, reason: `no space left on the disk (${facts})` };
    }
    return { freeBytes, minFreeBytes, reason: this.#writeProblem() };
  }

  /** If the last write was rejected, tries another one. Returns why that was rejected; undefined if writes succeed. */
  #writeProblem(): string | undefined {
    const { store } = this.#deps;
    if (store.writeError() === undefined) return undefined;
    try {
      store.saveAgeClock();
      return undefined;
    } catch (error) {
      return storageErrorText(error);
    }
  }
}

function showBytes(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib >= 10 ? `${Math.floor(mib)} MiB` : `${Math.floor(bytes / 2 ** 10)} KiB`;
}
