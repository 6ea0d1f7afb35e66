// The log of an ended run, read from its files. Opens them for the first watcher and closes them after the last one.

import { MemoryTail } from './memory-tail.ts';
import type { LogForm } from './options.ts';
import { beginning } from './position.ts';
import { endIncludingPartialLine, scanLog } from './storage/recover.ts';
import { SegmentSet } from './storage/segment-set.ts';
import { WatchableLog } from './watchable-log.ts';

export interface StoredLogOptions extends LogForm {
  /** Used for logs of the first version, which do not contain the limit. */
  readonly lineBytesMax: number;
  /** Number of lines and bytes in the record of the run. */
  readonly record: { readonly lines: number; readonly bytes: number };
}

/**
 * `ended` becomes true when the files are scanned. Output that the record counts but the folder no longer contains is a
 * gap.
 */
export class StoredLog extends WatchableLog {
  readonly #folder: string;
  readonly #options: StoredLogOptions;
  #scanning: Promise<void> | undefined;

  constructor(folder: string, options: StoredLogOptions) {
    const { format, lineBytesMax, record } = options;
    super({
      folder,
      files: new SegmentSet(folder),
      tail: new MemoryTail(0),
      format,
      exact: options.exact,
      lineBytesMax,
      end: beginning,
    });
    this.#folder = folder;
    this.#options = options;
    this.position = { ...beginning, line: record.lines, byte: record.bytes };
  }

  protected override ensureScanned(): Promise<void> {
    return (this.#scanning ??= this.#scan());
  }

  protected override get lineByte(): number {
    return this.position.byte;
  }

  /** Ignores errors, because watchers get the same errors when they read. */
  async #scan(): Promise<void> {
    this.files = await SegmentSet.load(this.#folder).catch(() => new SegmentSet(this.#folder, [0]));
    const scan =
      this.files.numbers.length === 0 ? undefined : await scanLog(this.files, this.#options).catch(() => undefined);
    this.markComplete(scan === undefined ? this.position : endIncludingPartialLine(scan));
  }
}
