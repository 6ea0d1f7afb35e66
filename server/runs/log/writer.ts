// Brings to the disk what a log appends: one write under way at a time, small appends gathered for a few milliseconds.

import type { LogFiles } from './files.ts';
import { indexEveryBytes } from './files.ts';
import type { Item } from './item.ts';
import { beginning, type Position } from './position.ts';

const newline = Buffer.from('\n');

/** A slow producer would otherwise pay a write per line. */
const gatherMs = 10;
const gatherBytes = 64 << 10;

export interface WriterEvents {
  /** Everything before `position` is in the files. */
  written(position: Position): void;
  /** The files cannot be written any more; nothing after the last `written` is safe. */
  failed(error: Error): void;
}

export class LogWriter {
  readonly #files: LogFiles;
  readonly #tell: WriterEvents;
  #lines: Uint8Array[] = [];
  #events: Uint8Array[] = [];
  #index: Position[] = [];
  #end = beginning;
  #lastIndexed = beginning;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;
  /** Bytes appended and not yet in the files. */
  owedBytes = 0;

  constructor(files: LogFiles, tell: WriterEvents) {
    this.#files = files;
    this.#tell = tell;
  }

  append(item: Item): void {
    if (this.#broken) return;
    if (item.type === 'event') this.#events.push(item.json, newline);
    else for (const piece of item.pieces) this.#lines.push(piece);
    this.#end = item.end;
    this.owedBytes += item.end.byte - item.start.byte + item.end.eventByte - item.start.eventByte;
    this.#addToIndex(item.end);
    this.#schedule();
  }

  /** Resolves when everything appended so far is written, or cannot be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || (this.owedBytes > 0 && !this.#broken)) {
      this.#start();
      await this.#writing;
    }
  }

  #addToIndex(position: Position): void {
    const { byte, eventByte } = this.#lastIndexed;
    if (position.byte - byte < indexEveryBytes && position.eventByte - eventByte < indexEveryBytes) return;
    this.#index.push(position);
    this.#lastIndexed = position;
  }

  #schedule(): void {
    if (this.#writing !== undefined) return;
    if (this.owedBytes >= gatherBytes) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), gatherMs);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.owedBytes === 0 || this.#broken) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      if (this.owedBytes > 0) this.#schedule();
    });
  }

  async #write(): Promise<void> {
    const owed = { lines: this.#lines, events: this.#events, index: this.#index };
    const bytes = this.owedBytes;
    const end = this.#end;
    this.#lines = [];
    this.#events = [];
    this.#index = [];
    try {
      await this.#files.append(owed);
      this.owedBytes -= bytes;
      this.#tell.written(end);
    } catch (error) {
      this.#broken = true;
      this.owedBytes = 0;
      this.#tell.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
