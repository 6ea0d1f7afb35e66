// Limits how much may be extracted, by one archive or by several archives together.

import { ArchiveError } from './archive-error.ts';

export interface QuotaLimits {
  readonly bytesMax: number;
  /** Number of files, folders and links. */
  readonly entriesMax: number;
  /** Returns the text of the error when a limit is exceeded. */
  readonly quotaMessage: (of: 'bytes' | 'entries') => string;
}

export interface Amount {
  readonly bytes: number;
  readonly entries: number;
}

export class Quota {
  readonly limits: QuotaLimits;
  #bytes = 0;
  #entries = 0;

  constructor(bounds: QuotaLimits) {
    this.limits = bounds;
  }

  /** Takes `amount` from the quota. Throws ArchiveError, and takes nothing, if less is left. */
  take({ bytes, entries }: Amount): void {
    if (this.#bytes + bytes > this.limits.bytesMax) throw new ArchiveError(this.limits.quotaMessage('bytes'));
    if (this.#entries + entries > this.limits.entriesMax) throw new ArchiveError(this.limits.quotaMessage('entries'));
    this.#bytes += bytes;
    this.#entries += entries;
  }

  /** Adds `amount` to the quota again, because the extracted files have been removed. */
  release({ bytes, entries }: Amount): void {
    this.#bytes -= bytes;
    this.#entries -= entries;
  }
}
