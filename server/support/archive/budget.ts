// How much may be unpacked: by one archive, or by several together.

import { ArchiveError } from './archive-error.ts';

export interface Bounds {
  readonly bytesMax: number;
  /** Files, folders and links. */
  readonly entriesMax: number;
  /** What is said when it is too much. */
  readonly tooMuch: (of: 'bytes' | 'entries') => string;
}

export interface Amount {
  readonly bytes: number;
  readonly entries: number;
}

export class Budget {
  readonly bounds: Bounds;
  #bytes = 0;
  #entries = 0;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
  }

  /** Throws ArchiveError, and spends nothing, when it is more than is left. */
  spend({ bytes, entries }: Amount): void {
    if (this.#bytes + bytes > this.bounds.bytesMax) throw new ArchiveError(this.bounds.tooMuch('bytes'));
    if (this.#entries + entries > this.bounds.entriesMax) throw new ArchiveError(this.bounds.tooMuch('entries'));
    this.#bytes += bytes;
    this.#entries += entries;
  }

  /** What was spent is not there any more. */
  giveBack({ bytes, entries }: Amount): void {
    this.#bytes -= bytes;
    this.#entries -= entries;
  }
}
