// Brings to the disk what a log appends: one write under way at a time, small appends gathered for a few milliseconds, a new segment when one is full.

import { deferred, type Deferred } from '../../support/deferred.ts';
import type { LogFiles } from './files.ts';
import type { Item } from './item.ts';
import type { Mark } from './mark.ts';
import type { LogLimits } from './options.ts';
import { compare, type Position } from './position.ts';
import type { Segment } from './segment.ts';

const newline = Buffer.from('\n');

/** A slow producer would otherwise pay a write per line. */
const gatherMs = 10;
const gatherBytes = 64 << 10;

/** What an item costs in memory beside its bytes: without this, single short lines would be owed by the million. */
const itemBytes = 512;

export const indexEveryBytes = 64 << 10;

export interface WriterOptions {
  readonly files: LogFiles;
  /** What is written goes to the end of this one. */
  readonly segment: Segment;
  /** Where that is. */
  readonly written: Position;
  readonly limits: Pick<LogLimits, 'segmentBytesMax' | 'owedBytesMax'>;
  /** The place behind everything appended. */
  mark(): Mark;
  /** Everything before `position` is in the files. */
  onWritten(position: Position): void;
  /** The files cannot be written any more; they end at `position`. */
  onFailure(error: Error, position: Position): void;
}

/** What goes to one segment. */
interface Gathered {
  readonly segment: Segment;
  readonly lines: Uint8Array[];
  readonly events: Uint8Array[];
  readonly marks: Mark[];
  readonly ends: Position[];
  owedBytes: number;
}

export class LogWriter {
  readonly #options: WriterOptions;
  readonly #full: Gathered[] = [];
  #last: Gathered;
  #written: Position;
  /** Of the last item. */
  #end: Position;
  #lastMarked: Position;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;
  /** What is appended and not yet in the files costs this much memory. */
  #owedBytes = 0;
  #drained: Deferred<void> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#written = options.written;
    this.#end = options.written;
    this.#lastMarked = options.written;
    this.#last = gather(options.segment);
  }

  /** Takes an item, without writing it yet: what is said of a line is written before the line, and may follow here. */
  append(item: Item): void {
    if (this.#broken) return;
    if (item.type === 'event') this.#last.events.push(item.json, newline);
    else for (const piece of item.pieces) this.#last.lines.push(piece);
    this.#last.ends.push(item.end);
    this.#end = item.end;
    const bytes = itemBytes + item.end.byte - item.start.byte + item.end.eventByte - item.start.eventByte;
    this.#last.owedBytes += bytes;
    this.#owedBytes += bytes;
  }

  /** Nothing more will be said of the items appended so far: a crash may come between them and the next. */
  settle(): void {
    if (this.isFull) this.#roll();
    else if (distance(this.#lastMarked, this.#end) >= indexEveryBytes) this.#addMark();
  }

  /** The segment has all it is to have; the next place where a line begins is where the next one does. */
  get isFull(): boolean {
    return compare(this.#end, this.#last.segment.start.place) >= this.#options.limits.segmentBytesMax;
  }

  /** True while the disk is so far behind that the work should wait. */
  get full(): boolean {
    return this.#owedBytes >= this.#options.limits.owedBytesMax;
  }

  /** Resolves when the disk has caught up by half. */
  drained(): Promise<void> {
    if (!this.full) return Promise.resolve();
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  /** Writes what is settled, now or soon. */
  schedule(): void {
    if (this.#writing !== undefined || this.#owedBytes === 0) return;
    if (this.#owedBytes >= gatherBytes || this.#full.length > 0) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), gatherMs);
  }

  /** Resolves when everything appended so far is written, or cannot be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || (this.#owedBytes > 0 && !this.#broken)) {
      this.#start();
      await this.#writing;
    }
  }

  #roll(): void {
    const start = this.#options.mark();
    // A terminal is in the middle of a line.
    if (start.place.byte !== this.#end.byte) return;
    if (this.#last.ends.length > 0) this.#full.push(this.#last);
    this.#last = gather({ number: this.#last.segment.number + 1, start });
    this.#lastMarked = this.#end;
  }

  #addMark(): void {
    this.#last.marks.push(this.#options.mark());
    this.#lastMarked = this.#end;
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#owedBytes === 0 || this.#broken) return;
    this.#writing = this.#write(this.#take()).finally(() => {
      this.#writing = undefined;
      this.schedule();
    });
  }

  #take(): Gathered {
    const taken = this.#full.shift() ?? this.#last;
    if (taken === this.#last) this.#last = gather(taken.segment);
    return taken;
  }

  async #write(gathered: Gathered): Promise<void> {
    try {
      await this.#options.files.append(gathered);
    } catch (error) {
      return await this.#fail(error, gathered);
    }
    this.#written = gathered.ends.at(-1)!;
    this.#owedBytes -= gathered.owedBytes;
    this.#release();
    this.#options.onWritten(this.#written);
  }

  async #fail(error: unknown, { segment, ends }: Gathered): Promise<void> {
    this.#broken = true;
    this.#full.length = 0;
    this.#last = gather(segment);
    const end = await this.#options.files.cutBack(segment.number, [this.#written, ...ends]).catch(() => undefined);
    this.#owedBytes = 0;
    this.#release();
    this.#options.onFailure(error instanceof Error ? error : new Error(String(error)), end ?? this.#written);
  }

  #release(): void {
    if (this.#drained === undefined || this.#owedBytes > this.#options.limits.owedBytesMax / 2) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }
}

function gather(segment: Segment): Gathered {
  return { segment, lines: [], events: [], marks: [], ends: [], owedBytes: 0 };
}

function distance(from: Position, to: Position): number {
  return Math.max(to.byte - from.byte, to.eventByte - from.eventByte);
}
