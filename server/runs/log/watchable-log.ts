// Read side of a log: combines the memory tail with the files, and resolves cursors to positions.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import { limitConcurrency } from '../../support/limit-concurrency.ts';
import type { WatcherEntry } from './entry.ts';
import type { MemoryTail } from './memory-tail.ts';
import { type Cursor, comparePositions, type Position } from './position.ts';
import { type LocateResult, locate } from './storage/locate.ts';
import type { LogFormat, Page } from './storage/read-page.ts';
import { listSegments, type SegmentSize } from './storage/segment-folder.ts';
import type { SegmentSet } from './storage/segment-set.ts';

/**
 * Number of concurrent reads, over all logs. Node has four threads for them, and pages that wait to be sent need
 * memory.
 */
const limitReads = limitConcurrency(16);

/** Memory for the pages of all slow watchers of one log. */
const allPagesBytesMax = 32 << 20;
/** Size of the smallest page. */
const pageBytesMin = 64 << 10;

const nothing = new Uint8Array(0);

export interface PartialLine {
  readonly stream: OutputStream;
  /** The part of the run that printed the line. */
  readonly job?: string;
  readonly text: string;
}

export interface WatchableLogOptions {
  readonly exact?: boolean | undefined;
  readonly folder: string;
  readonly files: SegmentSet;
  readonly tail: MemoryTail;
  readonly format: LogFormat;
  /** Longer lines of a terminal are cut. */
  readonly lineBytesMax: number;
  /** End of the log. */
  readonly end: Position;
}

export abstract class WatchableLog {
  readonly format: LogFormat;
  /** True if the format is `raw` and the bytes are those that the work printed, valid UTF-8 or not. */
  readonly exact: boolean;
  /** End of everything appended. */
  position: Position;
  /** End of everything in the files. */
  written: Position;
  /** True when nothing more will be appended and everything that could be written is written. */
  ended = false;
  readonly tail: MemoryTail;
  protected files: SegmentSet;
  readonly #folder: string;
  readonly #lineBytesMax: number;

  constructor({ folder, files, tail, format, exact = false, lineBytesMax, end }: WatchableLogOptions) {
    this.format = format;
    this.exact = exact;
    this.position = end;
    this.written = end;
    this.tail = tail;
    this.files = files;
    this.#folder = folder;
    this.#lineBytesMax = lineBytesMax;
  }

  /** Calls `wake` whenever there may be new entries. Returns a function that stops this. */
  watch(wake: () => void): () => void {
    this.tail.watchers.add(wake);
    void this.ensureScanned();
    return () => {
      this.tail.watchers.delete(wake);
      this.closeIdleFiles();
    };
  }

  /** True if the files contain more after `position` for a watcher of this format. */
  hasMore(position: Position, format: LogFormat): boolean {
    const { written } = this;
    if (format === this.format || this.ended) return comparePositions(position, written) < 0;
    return position.line < written.line || position.seq < written.seq;
  }

  /**
   * Reads the entries after `from` from the files, or the gap where they were removed. The page is empty if there is
   * nothing. Rejects if the files cannot be read.
   */
  async page(from: Position, format: LogFormat): Promise<Page<WatcherEntry>> {
    return limitReads(() => {
      const until = this.#readableEnd(from, format);
      const lineBytesMax = this.format === 'raw' ? this.#lineBytesMax : Infinity;
      const bytesMax = Math.max(pageBytesMin, Math.floor(allPagesBytesMax / (this.tail.watchers.size || 1)));
      return this.files.page({
        from,
        until,
        format,
        lineBytesMax,
        final: this.ended && until === this.written,
        bytesMax,
      });
    }).finally(() => this.closeIdleFiles());
  }

  /**
   * Returns the position of a cursor, which counts bytes if the format is `raw`, otherwise lines.
   *
   * Events after line `after` come after the position, except those up to `seq`. Waits until the output is in the files
   * or the log has ended. A cursor into removed output has a position as well; the watcher then gets the gap. Rejects
   * with the file-system error, or with the reason of `signal`.
   */
  async locate(cursor: Cursor, format: LogFormat, signal?: AbortSignal): Promise<Position> {
    return (await this.locateWithSource(cursor, format, signal)).position;
  }

  /**
   * Like `locate`, but also returns the event that names the source of the first line. Omits it for clients that send
   * `seq`, because they have received that event.
   */
  async locateWithSource(cursor: Cursor, format: LogFormat, signal?: AbortSignal): Promise<LocateResult> {
    const scanning = this.ensureScanned();
    if (scanning !== undefined) await scanning;
    // With `last: 0`, start at the present end, without waiting for the files.
    if ('last' in cursor && cursor.last === 0) return this.#end(format);
    const unit = format === 'raw' ? 'byte' : 'line';
    const after = 'after' in cursor ? cursor.after : Math.max(0, this.position[unit] - cursor.last);
    const seq = 'after' in cursor ? (cursor.seq ?? 0) : 0;
    await this.#waitUntil(() => this.ended || this.written[unit] >= after, signal);
    if (this.written[unit] < after) return this.#end(format);
    const found = await this.files
      .retryAfterRemoval(() => locate(this.files, { after, seq, format, until: this.written }))
      .finally(() => this.closeIdleFiles());
    return seq === 0 ? found : { position: found.position };
  }

  /** Lists the segments, oldest first. The last one is being written, unless the log has ended. */
  segments(): Promise<readonly SegmentSize[]> {
    return listSegments(this.#folder);
  }

  /**
   * Removes the segments before number `below`, but never the last one. Watchers that need them get a gap. Returns the
   * number of freed bytes.
   */
  async dropSegments(below: number): Promise<number> {
    await this.ensureScanned();
    return this.files.removeBefore(below);
  }

  /**
   * Returns the partial line of the stream that printed last; only its end if it is longer than `bytesMax`. Undefined
   * if there is none or the log has ended.
   */
  partialLine(_bytesMax: number): PartialLine | undefined {
    return undefined;
  }

  /**
   * Returns the stored bytes of one stream's partial line, as a view that is valid until the next write. Empty for a
   * terminal, because all its bytes are already delivered.
   */
  partialLineBytes(_stream: OutputStream): Uint8Array {
    return nothing;
  }

  /**
   * Makes `position`, `written` and `ended` match the files and resolves when they do; returns undefined if they
   * already match. Never rejects.
   */
  protected abstract ensureScanned(): Promise<void> | undefined;

  /** The last event that names the source of lines, if it is known. */
  protected get lastSourceEvent(): Uint8Array | undefined {
    return undefined;
  }

  /** The byte at which a watcher of lines starts if it wants only new output. */
  protected abstract readonly lineByte: number;

  /** Marks the log as ended at `end`, with everything in the files. */
  protected markComplete(end: Position): void {
    this.position = end;
    this.written = end;
    this.ended = true;
    this.tail.wakeWatchers();
    this.closeIdleFiles();
  }

  /** Closes files that no watcher needs. If the log has ended, also closes the last segment. */
  protected closeIdleFiles(): void {
    if (this.tail.watchers.size === 0) this.files.close(this.ended);
  }

  /** Returns where reading from the files ends and the memory tail begins. */
  #readableEnd(from: Position, format: LogFormat): Position {
    const { start } = this.tail;
    const inTail =
      format === this.format &&
      start !== undefined &&
      comparePositions(from, start) < 0 &&
      comparePositions(start, this.written) < 0;
    return inTail ? start : this.written;
  }

  #end(format: LogFormat): LocateResult {
    const sourceEvent = this.lastSourceEvent;
    const position = this.ended
      ? this.written
      : format === this.format
        ? this.position
        : { ...this.position, byte: this.lineByte };
    return { position, ...(sourceEvent !== undefined && { sourceEvent }) };
  }

  #waitUntil(holds: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        unwatch();
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => finish(() => reject(signal?.reason as Error));
      const unwatch = this.watch(() => holds() && finish(resolve));
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
    });
  }
}
