// Brings to the disk what a log appends: one write under way at a time, small appends gathered for a few milliseconds.

import type { LogFiles } from './files.ts';
import { indexEveryBytes } from './files.ts';
import type { Item } from './item.ts';
import { beginning, type Position } from './position.ts';

const newline = Buffer.from('\n');

/** A slow producer would otherwise pay a write per line. */
const gatherMs = 10;
const gatherBytes = 64 << 10;

/** What an item costs in memory beside its bytes: without this, single short lines would be owed by the million. */
const itemBytes = 512;

export interface WriterEvents {
  /** Everything before `position` is in the files. */
  written(position: Position): void;
  /** The files cannot be written any more; they end at `position`. */
  failed(error: Error, position: Position): void;
}

export class LogWriter {
  readonly #files: LogFiles;
  readonly #tell: WriterEvents;
  #lines: Uint8Array[] = [];
  #events: Uint8Array[] = [];
  #index: Position[] = [];
  #ends: Position[] = [];
  #written = beginning;
  #lastIndexed = beginning;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;
  /** What is appended and not yet in the files costs this much memory. */
  owedBytes = 0;

  constructor(files: LogFiles, tell: WriterEvents) {
    this.#files = files;
    this.#tell = tell;
  }

  /** `resume` is where a reader of lines can begin who wants what comes after the item. */
  append(item: Item, resume: Position): void {
    if (this.#broken) return;
    if (item.type === 'event') this.#events.push(item.json, newline);
    else for (const piece of item.pieces) this.#lines.push(piece);
    this.#ends.push(item.end);
    this.owedBytes += itemBytes + item.end.byte - item.start.byte + item.end.eventByte - item.start.eventByte;
    this.#addToIndex(resume);
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
    const ends = this.#ends;
    [this.#lines, this.#events, this.#index, this.#ends] = [[], [], [], []];
    try {
      await this.#files.append(owed);
    } catch (error) {
      return await this.#fail(error, [this.#written, ...ends]);
    }
    this.#written = ends.at(-1)!;
    this.owedBytes -= bytes;
    this.#tell.written(this.#written);
  }

  async #fail(error: unknown, places: readonly Position[]): Promise<void> {
    this.#broken = true;
    [this.#lines, this.#events, this.#index, this.#ends] = [[], [], [], []];
    const end = await this.#files.cutBack(places).catch(() => undefined);
    this.owedBytes = 0;
    this.#tell.failed(error instanceof Error ? error : new Error(String(error)), end ?? this.#written);
  }
}
