// A log as those see it who watch: what is in memory of it and in the files, and where a cursor is in them.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { LogFiles } from './files.ts';
import type { Told } from './item.ts';
import { locate, type Found } from './locate.ts';
import type { Shape } from './page.ts';
import { compare, type Cursor, type Position } from './position.ts';
import { listSegments, type SegmentSize } from './segments.ts';
import { takingTurns } from '../../support/turns.ts';
import type { Tail } from './tail.ts';

/** Of all logs: Node has four threads that read, and what waits to be passed on is memory. */
const reading = takingTurns(16);

/** Pages that slow watchers of one log may hold on to together; a page is not smaller than the least. */
const pagesBytesMax = 32 << 20;
const pageBytesLeast = 64 << 10;

const nothing = new Uint8Array(0);

export interface Unfinished {
  readonly stream: OutputStream;
  /** The part of the run that has begun it. */
  readonly job?: string;
  readonly text: string;
}

export interface WatchedOptions {
  readonly folder: string;
  readonly files: LogFiles;
  readonly tail: Tail;
  readonly shape: Shape;
  /** Where a terminal's lines are cut. */
  readonly lineBytesMax: number;
  /** Everything there is of it. */
  readonly end: Position;
}

export abstract class WatchedLog {
  readonly shape: Shape;
  /** Everything appended. */
  position: Position;
  /** Everything that is in the files. */
  written: Position;
  /** Nothing will be appended any more, and all that could be written is. */
  ended = false;
  readonly tail: Tail;
  protected files: LogFiles;
  readonly #folder: string;
  readonly #lineBytesMax: number;
  readonly #watchers = new Set<() => void>();

  constructor({ folder, files, tail, shape, lineBytesMax, end }: WatchedOptions) {
    this.shape = shape;
    this.position = end;
    this.written = end;
    this.tail = tail;
    this.files = files;
    this.#folder = folder;
    this.#lineBytesMax = lineBytesMax;
  }

  /** `wake` is called whenever there may be something new; the function given back ends that. */
  watch(wake: () => void): () => void {
    this.#watchers.add(wake);
    void this.looked();
    return () => {
      this.#watchers.delete(wake);
      this.letGo();
    };
  }

  /** True when there is something after `position` in the files that a watcher of this shape can be given. */
  hasAfter(position: Position, shape: Shape): boolean {
    const { written } = this;
    if (shape === this.shape || this.ended) return compare(position, written) < 0;
    return position.line < written.line || position.seq < written.seq;
  }

  /** Items after `from` that are in the files, or the gap where they are not any more; empty when there is none. Throws when the files cannot be read. */
  async page(from: Position, shape: Shape): Promise<readonly Told[]> {
    return reading(() => {
      const until = this.#reach(from, shape);
      const lineBytesMax = this.shape === 'raw' ? this.#lineBytesMax : Infinity;
      const bytesMax = Math.max(pageBytesLeast, Math.floor(pagesBytesMax / (this.#watchers.size || 1)));
      return this.files.page({ from, until, shape, lineBytesMax, final: this.ended && until === this.written, bytesMax });
    }).finally(() => this.letGo());
  }

  /**
   * The place of a cursor, for a watcher of this shape: it counts lines, of shape `raw` bytes. Events that follow line `after` come after the place,
   * but for those up to `seq`, when that is known. Output that is not in the files is waited for: until it is there, or the log has ended. A cursor
   * into what was removed has a place too: the watcher is told the gap. Throws what the file system says, and the reason of `signal`.
   */
  async locate(cursor: Cursor, shape: Shape, signal?: AbortSignal): Promise<Position> {
    return (await this.find(cursor, shape, signal)).place;
  }

  /** As `locate`, with what whoever begins there does not know: which stream and part of the run its first line comes from. Who knows `seq` knows that. */
  async find(cursor: Cursor, shape: Shape, signal?: AbortSignal): Promise<Found> {
    const looking = this.looked();
    if (looking !== undefined) await looking;
    // What comes from now on, and not from a moment later.
    if ('last' in cursor && cursor.last === 0) return this.#end(shape);
    const unit = shape === 'raw' ? 'byte' : 'line';
    const after = 'after' in cursor ? cursor.after : Math.max(0, this.position[unit] - cursor.last);
    const seq = 'after' in cursor ? cursor.seq ?? 0 : 0;
    await this.#until(() => this.ended || this.written[unit] >= after, signal);
    if (this.written[unit] < after) return this.#end(shape);
    const found = await this.files.steadily(() => locate(this.files, { after, seq, shape, until: this.written })).finally(() => this.letGo());
    return seq === 0 ? found : { place: found.place };
  }

  /** Oldest first; the last one is the one that is written, unless the log has ended. Empty when there is none yet, or none any more. */
  segments(): Promise<readonly SegmentSize[]> {
    return listSegments(this.#folder);
  }

  /** Removes the segments before number `below`, but never the last one. Watchers that wanted them are told a gap. Gives the bytes that were freed. */
  async dropSegments(below: number): Promise<number> {
    await this.looked();
    return this.files.drop(below);
  }

  /**
   * The line that has begun and not ended, of the stream that printed last. Undefined when that ended with a newline, or the log has. Of text longer
   * than `bytesMax`, the end.
   */
  unfinished(_bytesMax: number): Unfinished | undefined {
    return undefined;
  }

  /** Of one stream the line that has begun and not ended, byte for byte; a view, good until the next write. Nothing of a terminal, whose bytes are all told. */
  unfinishedBytes(_stream: OutputStream): Uint8Array {
    return nothing;
  }

  /** Resolves when `position`, `written` and `ended` are as the files have them; undefined while they are that anyway. Never rejects. */
  protected abstract looked(): Promise<void> | undefined;

  /** The last event that says where lines come from, as far as it is known here. */
  protected get lastTold(): Uint8Array | undefined {
    return undefined;
  }

  /** Where a watcher of lines begins that wants what comes from now on. */
  protected abstract readonly lineByte: number;

  /** Everything is in the files, up to `end`. */
  protected complete(end: Position): void {
    this.position = end;
    this.written = end;
    this.ended = true;
    this.wake();
    this.letGo();
  }

  protected wake(): void {
    for (const wake of this.#watchers) wake();
  }

  /** The files are needed until the log is complete and its last watcher has gone; those of older segments only while there is one. */
  protected letGo(): void {
    if (this.#watchers.size === 0) this.files.close(this.ended);
  }

  /** The files are read as far as the tail does not go on. */
  #reach(from: Position, shape: Shape): Position {
    const { start } = this.tail;
    const inTail = shape === this.shape && start !== undefined && compare(from, start) < 0 && compare(start, this.written) < 0;
    return inTail ? start : this.written;
  }

  #end(shape: Shape): Found {
    const told = this.lastTold;
    const place = this.ended ? this.written : shape === this.shape ? this.position : { ...this.position, byte: this.lineByte };
    return { place, ...(told !== undefined && { told }) };
  }

  #until(holds: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const over = (settle: () => void): void => {
        unwatch();
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => over(() => reject(signal?.reason as Error));
      const unwatch = this.watch(() => holds() && over(resolve));
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
    });
  }
}
