// The log of a run that is over, for watchers: its files are opened when the first one comes and closed when the last one has gone.

import { LogFiles } from './files.ts';
import type { Shape } from './page.ts';
import { beginning } from './position.ts';
import { survey, wholeEnd } from './recover.ts';
import { Tail } from './tail.ts';
import { WatchedLog } from './watched.ts';

export interface PastLogOptions {
  readonly shape: Shape;
  /** Of a log of the first version, which does not say it itself. */
  readonly lineBytesMax: number;
  /** What the record says of the log. */
  readonly record: { readonly lines: number; readonly bytes: number };
}

/** `ended` turns true when the files have been looked at. Output that the record knows of and the folder does not have any more is a gap. */
export class PastLog extends WatchedLog {
  readonly #folder: string;
  readonly #options: PastLogOptions;
  #looking: Promise<void> | undefined;

  constructor(folder: string, options: PastLogOptions) {
    const { shape, lineBytesMax, record } = options;
    super({ folder, files: new LogFiles(folder), tail: new Tail(0), shape, lineBytesMax, end: beginning });
    this.#folder = folder;
    this.#options = options;
    this.position = { ...beginning, line: record.lines, byte: record.bytes };
  }

  protected override looked(): Promise<void> {
    return (this.#looking ??= this.#look());
  }

  protected override get lineByte(): number {
    return this.position.byte;
  }

  /** What cannot be read is told to those who read it. */
  async #look(): Promise<void> {
    this.files = await LogFiles.in(this.#folder).catch(() => new LogFiles(this.#folder, [0]));
    const found = this.files.numbers.length === 0 ? undefined : await survey(this.files, this.#options).catch(() => undefined);
    this.complete(found === undefined ? this.position : wholeEnd(found));
  }
}
