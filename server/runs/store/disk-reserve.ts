// A file that keeps some space for the store, so that records and the journal can be written on a full disk.

import { existsSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Size of the reserve; less on a small disk. */
const reserveBytesMax = 1 << 20;
/** The reserve has at most the size of the disk divided by this number. */
const diskShare = 64;

export class DiskReserve {
  readonly #file: string;
  #held: boolean;

  /** `folder` contains the store. An existing reserve is kept. */
  constructor(folder: string) {
    this.#file = join(folder, 'reserve');
    this.#held = existsSync(this.#file);
  }

  /** Creates the reserve if the disk has several times its size left. Idempotent; never throws. */
  hold(): void {
    // Check the file, because an operator may have removed it.
    if (this.#held && existsSync(this.#file)) return;
    try {
      const { bsize, blocks, bavail } = statfsSync(join(this.#file, '..'));
      const bytes = Math.min(reserveBytesMax, Math.floor((blocks * bsize) / diskShare));
      if (bavail * bsize < 4 * bytes) return;
      writeFileSync(this.#file, Buffer.alloc(bytes), { mode: 0o640 });
      this.#held = true;
    } catch {
      this.release();
    }
  }

  /** Removes the reserve. Returns true if that freed space. Never throws. */
  release(): boolean {
    const held = this.#held;
    this.#held = false;
    try {
      unlinkSync(this.#file);
    } catch {
      return false;
    }
    return held;
  }
}
