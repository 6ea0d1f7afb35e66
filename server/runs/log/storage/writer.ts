// Writes appended entries to disk, one write at a time.
//
// Collects small appends for a few milliseconds and begins a new segment when one is full.

import { type Deferred, deferred } from '../../../support/deferred.ts';
import type { LogEntry } from '../entry.ts';
import type { ClosedSegment, LogLimits } from '../options.ts';
import { comparePositions, type Position } from '../position.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Segment } from './segment.ts';
import type { SegmentSet } from './segment-set.ts';

const newline = Buffer.from('\n');

/**
 * Appends are collected for this time, or up to this size. Otherwise a slow process would cost a write per line. A fast
 * one would cost two asynchronous calls per chunk, a third of the CPU time that its output needs.
 */
const flushDelayMs = 10;
const flushBytes = 256 << 10;

/** Memory that an entry needs besides its bytes. If it did not count, millions of short lines could be pending. */
const entryOverheadBytes = 512;

const checkpointEveryBytes = 64 << 10;

export interface WriterOptions {
  readonly files: SegmentSet;
  /** The segment to append to. */
  readonly segment: Segment;
  /** Present end of the segment. */
  readonly written: Position;
  readonly limits: Pick<LogLimits, 'segmentBytesMax' | 'pendingWriteBytesMax'>;
  /** Returns a checkpoint at the end of everything appended. */
  checkpoint(): Checkpoint;
  /** Called when a segment is complete; the next entries go to another one. */
  onSegment(closed: ClosedSegment): void;
  /** Called when everything before `position` is in the files. */
  onWritten(position: Position): void;
  /** Called when the files can no longer be written; they end at `position`. */
  onFailure(error: Error, position: Position): void;
}

/** Entries that one write appends to one segment. */
interface WriteBatch {
  readonly segment: Segment;
  readonly lines: Uint8Array[];
  readonly events: Uint8Array[];
  readonly checkpoints: Checkpoint[];
  readonly ends: Position[];
  pendingBytes: number;
}

export class LogWriter {
  readonly #options: WriterOptions;
  readonly #completeBatches: WriteBatch[] = [];
  #openBatch: WriteBatch;
  #written: Position;
  /** End of the last appended entry. */
  #end: Position;
  #lastCheckpoint: Position;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;
  /** Memory of entries that are appended but not yet in the files. */
  #pendingBytes = 0;
  #drained: Deferred<void> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#written = options.written;
    this.#end = options.written;
    this.#lastCheckpoint = options.written;
    this.#openBatch = createBatch(options.segment);
  }

  /**
   * Appends an entry without writing it yet. An event about a line may be appended after the line but must be written
   * before it.
   */
  append(entry: LogEntry): void {
    if (this.#broken) return;
    if (entry.type === 'event') this.#openBatch.events.push(entry.json, newline);
    else for (const piece of entry.pieces) this.#openBatch.lines.push(piece);
    this.#openBatch.ends.push(entry.end);
    this.#end = entry.end;
    const bytes = entryOverheadBytes + entry.end.byte - entry.start.byte + entry.end.eventByte - entry.start.eventByte;
    this.#openBatch.pendingBytes += bytes;
    this.#pendingBytes += bytes;
  }

  /** Marks that no more events follow for the entries appended so far. A segment or checkpoint may begin here. */
  commit(): void {
    if (this.isSegmentFull) this.#rollSegment();
    else if (distance(this.#lastCheckpoint, this.#end) >= checkpointEveryBytes) this.#addCheckpoint();
  }

  /** True if the next segment begins at the next line. */
  get isSegmentFull(): boolean {
    return comparePositions(this.#end, this.#openBatch.segment.start.position) >= this.#options.limits.segmentBytesMax;
  }

  /** Size of the present segment, including what is not yet on disk. */
  get segmentBytes(): number {
    return storedBytes(this.#openBatch.segment.start.position, this.#end);
  }

  /** True while the disk is so far behind that the work must wait. */
  get full(): boolean {
    return this.#pendingBytes >= this.#options.limits.pendingWriteBytesMax;
  }

  /** Resolves when at most half of `pendingWriteBytesMax` is pending. */
  drained(): Promise<void> {
    if (!this.full) return Promise.resolve();
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  /** Starts a write of the pending entries, now or after `flushDelayMs`. */
  schedule(): void {
    if (this.#writing !== undefined || this.#pendingBytes === 0) return;
    if (this.#pendingBytes >= flushBytes || this.full || this.#completeBatches.length > 0) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), flushDelayMs);
  }

  /** Resolves when everything appended so far is written, or can no longer be written. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || (this.#pendingBytes > 0 && !this.#broken)) {
      this.#start();
      await this.#writing;
    }
  }

  #rollSegment(): void {
    const start = this.#options.checkpoint();
    // A terminal's output ends within a line here; begin the segment later.
    if (start.position.byte !== this.#end.byte) return;
    if (this.#openBatch.ends.length > 0) this.#completeBatches.push(this.#openBatch);
    this.#options.onSegment({
      number: this.#openBatch.segment.number,
      bytes: storedBytes(this.#openBatch.segment.start.position, this.#end),
      closedMs: performance.now(),
    });
    this.#openBatch = createBatch({ number: this.#openBatch.segment.number + 1, start });
    this.#lastCheckpoint = this.#end;
  }

  #addCheckpoint(): void {
    this.#openBatch.checkpoints.push(this.#options.checkpoint());
    this.#lastCheckpoint = this.#end;
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#pendingBytes === 0 || this.#broken) return;
    this.#writing = this.#write(this.#takeBatch()).finally(() => {
      this.#writing = undefined;
      this.schedule();
    });
  }

  #takeBatch(): WriteBatch {
    const batch = this.#completeBatches.shift() ?? this.#openBatch;
    if (batch === this.#openBatch) this.#openBatch = createBatch(batch.segment);
    return batch;
  }

  async #write(batch: WriteBatch): Promise<void> {
    try {
      await this.#options.files.append(batch);
    } catch (error) {
      return await this.#fail(error, batch);
    }
    this.#written = batch.ends.at(-1)!;
    this.#pendingBytes -= batch.pendingBytes;
    this.#resolveDrained();
    this.#options.onWritten(this.#written);
  }

  async #fail(error: unknown, { segment, ends }: WriteBatch): Promise<void> {
    this.#broken = true;
    this.#completeBatches.length = 0;
    this.#openBatch = createBatch(segment);
    const end = await this.#options.files
      .truncateAfterFailure(segment.number, [this.#written, ...ends])
      .catch(() => undefined);
    this.#pendingBytes = 0;
    this.#resolveDrained();
    this.#options.onFailure(error instanceof Error ? error : new Error(String(error)), end ?? this.#written);
  }

  #resolveDrained(): void {
    if (this.#drained === undefined || this.#pendingBytes > this.#options.limits.pendingWriteBytesMax / 2) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }
}

function createBatch(segment: Segment): WriteBatch {
  return { segment, lines: [], events: [], checkpoints: [], ends: [], pendingBytes: 0 };
}

function distance(from: Position, to: Position): number {
  return Math.max(to.byte - from.byte, to.eventByte - from.eventByte);
}

function storedBytes(from: Position, to: Position): number {
  return to.byte - from.byte + to.eventByte - from.eventByte;
}
