// The log of a run: output and events appended in batches, on their way to the disk and to whoever watches.

import { TextDecoder } from 'node:util';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Json } from '../../../protocol/record.ts';
import { deferred, type Deferred } from '../../support/deferred.ts';
import { LogFiles } from './files.ts';
import type { Item, Told } from './item.ts';
import { readPage, type Shape } from './page.ts';
import { beginning, compare, type Cursor, type Position } from './position.ts';
import type { SegmentSize } from './segments.ts';
import { LineSplitter, type Region } from './splitter.ts';
import { Tail } from './tail.ts';
import { turnOver } from './turnover.ts';
import { LogWriter } from './writer.ts';

export type LogLimits = Pick<Limits, 'lineBytesMax' | 'tailBytesMax' | 'owedBytesMax' | 'segmentBytesMax' | 'outputBytesMax'>;

/** An event larger than this is cut down to its type: readers page through events, and a page must hold one. */
const eventBytesMax = 32 << 10;
const eventTypeCharsMax = 256;

/**
 * `lines` logs hold one line per line, whatever stream it came from. `raw` logs hold a terminal's bytes, repaired to valid UTF-8 before they
 * are stored, because their watchers' cursor counts the bytes on the wire. Their lines are counted as those see them who want lines.
 */
export class RunLog {
  readonly shape: Shape;
  /** Everything appended. */
  position: Position = beginning;
  /** Everything that is in the files. */
  written: Position = beginning;
  /** Nothing will be appended any more, and all that could be written is. */
  ended = false;
  /** The disk refused; the log ends at what it had taken, and output from here on is not kept. */
  failure: Error | undefined;

  readonly tail: Tail;
  readonly #folder: string;
  readonly #writer: LogWriter;
  readonly #limits: LogLimits;
  readonly #splitters: Record<OutputStream, LineSplitter>;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #watchers = new Set<() => void>();
  readonly #onFailure: (error: Error) => void;
  #files: LogFiles;
  #stream: OutputStream = 'stdout';
  /** Where the line begins that a terminal is writing: bytes before it. */
  #lineByte = 0;
  #drained: Deferred<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(folder: string, options: LogOptions) {
    this.shape = options.shape;
    this.#folder = folder;
    this.#files = LogFiles.create(folder);
    this.#limits = options.limits;
    this.#onFailure = options.onFailure;
    this.tail = new Tail(options.limits.tailBytesMax);
    this.#splitters = { stdout: new LineSplitter(options.limits.lineBytesMax), stderr: new LineSplitter(options.limits.lineBytesMax) };
    this.#writer = new LogWriter(this.#files, { written: (position) => this.#onWritten(position), failed: (error, position) => this.#fail(error, position) });
  }

  /** A new log in a new folder. Throws what the file system says. */
  static create(folder: string, options: LogOptions): RunLog {
    return new RunLog(folder, options);
  }

  /**
   * The log of a run that is over, for watchers: its files are opened when the first one comes and closed when the last one has gone. `ended` turns
   * true when they have been looked at. Output that the record knows of and the folder does not have any more is a gap.
   */
  static reopen(_folder: string, _options: ReopenOptions): RunLog {
    throw new Error('not yet');
  }

  /**
   * The log as a gateway left it that was killed: brought to a whole number of lines, to be continued or closed. A folder that is not there is an
   * empty log. Throws what the file system says.
   */
  static resume(_folder: string, _options: LogOptions): Promise<ResumedLog> {
    return Promise.reject(new Error('not yet'));
  }

  /** `performance.now()` of the last output; of a log without any, of its making. */
  lastWriteMs = performance.now();

  /**
   * The line that `stream` has begun and not ended: of the stream that printed last. Undefined when it ended with a newline. Text longer than
   * `bytesMax` is its end.
   */
  unfinished(_bytesMax: number): { readonly stream: OutputStream; readonly text: string } | undefined {
    return undefined;
  }

  /**
   * The place of a cursor, for a watcher of this shape (the cursor counts lines, of shape `raw` bytes). Events that follow the line `after` come after
   * it, but for those up to `seq`, when that is known. Output beyond `written` is waited for: until it is there, or the log has ended.
   */
  locate(_cursor: Cursor, _shape: Shape): Promise<Position> {
    return Promise.reject(new Error('not yet'));
  }

  /** Oldest first; the last one is being written, unless the log has ended. */
  segments(): Promise<readonly SegmentSize[]> {
    return Promise.reject(new Error('not yet'));
  }

  /** Removes the segments before number `below`, but never the last one. Watchers that wanted them are told a gap. Gives the bytes that were freed. */
  dropSegments(_below: number): Promise<number> {
    return Promise.reject(new Error('not yet'));
  }

  /** Appends a chunk as the work printed it; the chunk belongs to the log from now on. */
  write(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#closing !== undefined || this.failure !== undefined) return;
    turnOver(chunk.length);
    if (this.shape === 'raw') this.#appendRaw(this.#decoder.decode(chunk, { stream: true }));
    else this.#appendRegions(stream, this.#splitters[stream].push(chunk));
    this.#wake();
  }

  /** The stream is at its end: what it left unterminated becomes a line. Safe twice. */
  endStream(stream: OutputStream): void {
    if (this.#closing !== undefined || this.failure !== undefined) return;
    if (this.shape === 'raw') this.#endRaw();
    else this.#appendRegions(stream, this.#splitters[stream].flush());
    this.#wake();
  }

  emit(type: string, facts: Readonly<Record<string, Json>> = {}): void {
    if (this.#closing !== undefined || this.failure !== undefined) return;
    this.#appendEvent(type, facts);
    this.#wake();
  }

  /** True while the disk is so far behind that the work should wait. */
  get full(): boolean {
    return this.#writer.owedBytes >= this.#limits.owedBytesMax;
  }

  /** Resolves when the disk has caught up by half. */
  drained(): Promise<void> {
    if (!this.full) return Promise.resolve();
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  /** Ends both streams, writes what is owed, and tells the watchers that this was all. Safe twice. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.endStream('stdout');
      this.endStream('stderr');
    }
    return (this.#closing ??= this.#finish());
  }

  /** `wake` is called whenever there may be something new; the function given back ends that. */
  watch(wake: () => void): () => void {
    this.#watchers.add(wake);
    return () => {
      this.#watchers.delete(wake);
      this.#letGo();
    };
  }

  /** True when there is something after `position` in the files that a watcher of this shape can be given. */
  hasAfter(position: Position, shape: Shape): boolean {
    const { written } = this;
    if (shape === this.shape || this.ended) return compare(position, written) < 0;
    return position.line < written.line || position.seq < written.seq;
  }

  /** Items after `from` that are in the files; empty when there is none. For watchers: nobody else keeps the files open. */
  async page(from: Position, shape: Shape): Promise<readonly Told[]> {
    // The last watcher of an ended log had gone, and here is another.
    if (this.#files.closed) this.#files = LogFiles.read(this.#folder);
    const until = this.#reach(from, shape);
    const lineBytesMax = this.shape === 'raw' ? this.#limits.lineBytesMax : Infinity;
    return readPage(this.#files, { from, until, shape, lineBytesMax, final: this.ended && until === this.written });
  }

  /** The files are read as far as the tail does not go on. */
  #reach(from: Position, shape: Shape): Position {
    const { start } = this.tail;
    const inTail = shape === this.shape && start !== undefined && compare(from, start) < 0 && compare(start, this.written) < 0;
    return inTail ? start : this.written;
  }

  #appendRegions(stream: OutputStream, regions: readonly Region[]): void {
    for (const region of regions) {
      if (stream !== this.#stream) this.#switchTo(stream);
      const { line, byte } = this.position;
      this.#append({ type: 'lines', start: this.position, end: { ...this.position, line: line + region.lines, byte: byte + region.bytes }, pieces: region.pieces });
      if (region.cut) this.#appendEvent('cut', {});
      if (region.unterminated) this.#appendEvent('unterminated', {});
    }
  }

  #switchTo(stream: OutputStream): void {
    this.#stream = stream;
    this.#appendEvent('stream', { stream });
  }

  #appendRaw(text: string): void {
    if (text === '') return;
    const bytes = Buffer.from(text, 'utf8');
    const start = this.position;
    const end = { ...start, line: start.line + this.#countRaw(this.#splitters.stdout.push(bytes)), byte: start.byte + bytes.length };
    this.#append({ type: 'raw', start, end, pieces: [bytes] });
  }

  /** An unterminated last line is a line. */
  #endRaw(): void {
    this.#appendRaw(this.#decoder.decode());
    const lines = this.#countRaw(this.#splitters.stdout.flush());
    this.#lineByte = this.position.byte;
    this.position = { ...this.position, line: this.position.line + lines };
  }

  /** The lines of a terminal are not cut in the file, only counted as if they were. */
  #countRaw(regions: readonly Region[]): number {
    for (const { bytes, cut } of regions) this.#lineByte += cut ? bytes - 1 : bytes;
    return regions.reduce((sum, { lines }) => sum + lines, 0);
  }

  #appendEvent(type: string, facts: Readonly<Record<string, Json>>): void {
    const { line, byte, seq, eventByte } = this.position;
    const head = { seq: seq + 1, at: line, ...(this.shape === 'raw' && { byte }), type: type.slice(0, eventTypeCharsMax) };
    // Twice `head`: it comes first, and no fact takes its place.
    const full = Buffer.from(JSON.stringify({ ...head, ...facts, ...head }));
    const json = full.length <= eventBytesMax ? full : Buffer.from(JSON.stringify({ ...head, shortened: true }));
    this.#append({ type: 'event', start: this.position, end: { ...this.position, seq: seq + 1, eventByte: eventByte + json.length + 1 }, json });
  }

  #append(item: Item): void {
    this.position = item.end;
    this.tail.push(item);
    // A terminal's chunks and events end in the middle of a line, and who reads lines begins with a whole one.
    this.#writer.append(item, this.shape === 'raw' ? { ...item.end, byte: this.#lineByte } : item.end);
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
  }

  #onWritten(position: Position): void {
    this.written = position;
    this.tail.settle(position);
    this.#release();
    this.#wake();
  }

  /** What was appended since is lost; only watchers at the end may have seen it. */
  #fail(error: Error, position: Position): void {
    this.failure = error;
    this.position = position;
    this.written = position;
    this.tail.cutBack(position);
    this.#release();
    this.#wake();
    this.#onFailure(error);
  }

  #release(): void {
    if (this.#drained === undefined || this.#writer.owedBytes > this.#limits.owedBytesMax / 2) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  async #finish(): Promise<void> {
    await this.#writer.flush();
    this.written = this.position;
    this.ended = true;
    this.#wake();
    this.#letGo();
  }

  /** The files are needed until the log is complete and its last watcher has gone. */
  #letGo(): void {
    if (this.ended && this.#watchers.size === 0) void this.#files.close();
  }
}

export interface ReopenOptions {
  readonly shape: Shape;
  readonly lineBytesMax: number;
  /** What the record says of the log. */
  readonly record: { readonly lines: number; readonly bytes: number };
}

export interface ResumedLog {
  readonly log: RunLog;
  /** How many bytes of each stream, as the work printed them, are in the log: it is to be given what comes after. Of a terminal, nothing that counts. */
  readonly sourceBytes: Readonly<Record<OutputStream, number>>;
}

export interface LogOptions {
  readonly shape: Shape;
  readonly limits: LogLimits;
  /** Called once, when the disk refuses. */
  readonly onFailure: (error: Error) => void;
}
