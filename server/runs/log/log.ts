// The log of a run: output and events appended in batches, on their way to the disk and to whoever watches.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Json } from '../../../protocol/record.ts';
import { deferred, type Deferred } from '../../support/deferred.ts';
import { linesWithin, sourceBytes } from './bound.ts';
import { LogFiles } from './files.ts';
import type { Item } from './item.ts';
import { characterStart } from './lines.ts';
import type { Mark } from './mark.ts';
import { wholeCharacters, type Shape } from './page.ts';
import { beginning, type Position } from './position.ts';
import { nothingIn, recover, survey, wholeEnd, type Survey } from './recover.ts';
import { LineSplitter, type Region } from './splitter.ts';
import { Tail } from './tail.ts';
import { TerminalText } from './terminal-text.ts';
import { WatchedLog } from './watched.ts';
import { LogWriter } from './writer.ts';

export type LogLimits = Pick<Limits, 'lineBytesMax' | 'tailBytesMax' | 'owedBytesMax' | 'segmentBytesMax' | 'outputBytesMax'>;

/** An event larger than this is cut down to its type: readers page through events, and a page must hold one. */
const eventBytesMax = 32 << 10;
const eventTypeCharsMax = 256;

/** What the log says of itself. An event of somebody else that has such a type would make the log unreadable after a crash. */
const ownTypes: ReadonlySet<string> = new Set(['stream', 'cut', 'unterminated', 'truncated', 'discarded']);

/**
 * `lines` logs hold one line per line, whatever stream it came from. `raw` logs hold a terminal's bytes, repaired to valid UTF-8 before they
 * are stored, because their watchers' cursor counts the bytes on the wire. Their lines are counted as those see them who want lines.
 */
export class RunLog extends WatchedLog {
  /** The disk refused; the log ends at what it had taken, and output from here on is not kept. */
  failure: Error | undefined;
  /** `performance.now()` of the last output; before there is any, of its making. */
  lastWriteMs = performance.now();

  readonly #writer: LogWriter;
  readonly #limits: LogLimits;
  readonly #lineBytesMax: number;
  readonly #onFailure: (error: Error) => void;
  readonly #terminal: TerminalText | undefined;
  #splitters: Record<OutputStream, LineSplitter>;
  /** What printed the last line, and what printed last. */
  #stream: OutputStream;
  #lastStream: OutputStream = 'stdout';
  readonly #source: Record<OutputStream, number>;
  #truncated: boolean;
  #discardedBytes = 0;
  #drained: Deferred<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Of a log that was reopened: looks at its files. */
  #look: (() => Promise<void>) | undefined;
  #looking: Promise<void> | undefined;

  private constructor(folder: string, options: LogOptions, found: Survey) {
    const { limits, shape } = options;
    const lineBytesMax = shape === 'raw' ? found.lineBytesMax : limits.lineBytesMax;
    super({ folder, files: found.files, tail: new Tail(limits.tailBytesMax), shape, lineBytesMax, end: found.end });
    this.#limits = limits;
    this.#onFailure = options.onFailure;
    this.#lineBytesMax = lineBytesMax;
    this.#terminal = shape === 'raw' ? new TerminalText(found.splitter, found.end.byte - found.splitter.unfinished.length) : undefined;
    this.#splitters = this.#newSplitters();
    this.#stream = found.stream;
    this.#source = { ...found.source };
    this.#truncated = found.truncated;
    this.#writer = new LogWriter({
      files: found.files, segment: found.segment, written: found.end, segmentBytesMax: limits.segmentBytesMax, mark: () => this.#mark(),
      onWritten: (position) => this.#onWritten(position), onFailure: (error, position) => this.#fail(error, position),
    });
  }

  /** A new log. Its folder is made when there is something to write, so that a run that waits costs nothing; `onFailure` hears when it cannot be. */
  static create(folder: string, options: LogOptions): RunLog {
    return new RunLog(folder, options, nothingIn(new LogFiles(folder), options.shape, options.limits.lineBytesMax));
  }

  /**
   * The log of a run that is over, for watchers: its files are opened when the first one comes and closed when the last one has gone. `ended` turns
   * true when they have been looked at. Output that the record knows of and the folder does not have any more is a gap.
   */
  static reopen(folder: string, options: ReopenOptions): RunLog {
    const limits = { lineBytesMax: options.lineBytesMax, tailBytesMax: 0, owedBytesMax: 0, segmentBytesMax: Infinity, outputBytesMax: 0 };
    const log = RunLog.create(folder, { shape: options.shape, limits, onFailure: () => undefined });
    log.position = { ...beginning, line: options.record.lines, byte: options.record.bytes };
    log.#closing = Promise.resolve();
    log.#look = () => log.#lookInto(folder, options);
    return log;
  }

  /**
   * The log as a gateway left it that was killed: brought to a whole number of lines, to be continued or closed. A folder that is not there is an
   * empty log. Throws what the file system says.
   */
  static async resume(folder: string, options: LogOptions): Promise<ResumedLog> {
    const found = await recover(folder, { shape: options.shape, lineBytesMax: options.limits.lineBytesMax });
    return { log: new RunLog(folder, options, found), sourceBytes: found.source };
  }

  /** Appends a chunk as the work printed it, and keeps a copy: the chunk is the caller's again. */
  write(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.lastWriteMs = performance.now();
    this.#lastStream = stream;
    if (this.#truncated) return void (this.#discardedBytes += chunk.length);
    if (this.#terminal === undefined) this.#appendRegions(stream, this.#splitters[stream].push(chunk));
    else this.#appendText(this.#terminal, this.#terminal.decode(chunk));
    this.#advance();
  }

  /** The stream is at its end: what it left unterminated becomes a line. Safe twice. */
  endStream(stream: OutputStream): void {
    if (this.#isClosed) return;
    if (this.#terminal === undefined) this.#appendRegions(stream, this.#splitters[stream].flush());
    else this.#endText(this.#terminal);
    this.#advance();
  }

  /** An event that has a type of the log's own gets `call:` before it. */
  emit(type: string, facts: Readonly<Record<string, Json>> = {}): void {
    if (this.#isClosed) return;
    this.#appendEvent(ownTypes.has(type) ? `call:${type}` : type, facts);
    this.#writer.settle();
    this.#advance();
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
      if (this.#discardedBytes > 0 && !this.#isClosed) this.#appendEvent('discarded', { bytes: this.#discardedBytes });
    }
    return (this.#closing ??= this.#finish());
  }

  /**
   * The line that has begun and not ended, of the stream that printed last. Undefined when that ended with a newline. Of text longer than `bytesMax`,
   * the end.
   */
  unfinished(bytesMax: number): { readonly stream: OutputStream; readonly text: string } | undefined {
    const line = this.#terminal?.unfinished ?? this.#splitters[this.#lastStream].unfinished;
    const whole = line.subarray(0, wholeCharacters(line));
    const text = Buffer.from(lastCharacters(whole, bytesMax)).toString('utf8');
    return text === '' ? undefined : { stream: this.#lastStream, text };
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined || this.failure !== undefined;
  }

  #newSplitters(): Record<OutputStream, LineSplitter> {
    return { stdout: new LineSplitter(this.#lineBytesMax), stderr: new LineSplitter(this.#lineBytesMax) };
  }

  /** How much more output may be stored. */
  get #room(): number {
    const { outputBytesMax } = this.#limits;
    return outputBytesMax === 0 ? Infinity : outputBytesMax - this.position.byte;
  }

  #appendRegions(stream: OutputStream, regions: readonly Region[]): void {
    for (const region of regions) {
      if (this.#truncated) this.#discardedBytes += sourceBytes(region);
      else if (region.bytes <= this.#room) this.#appendRegion(stream, region);
      else this.#appendPart(stream, region);
    }
  }

  #appendRegion(stream: OutputStream, region: Region): void {
    if (stream !== this.#stream) this.#switchTo(stream);
    const { line, byte } = this.position;
    this.#source[stream] += sourceBytes(region);
    this.#append({ type: 'lines', start: this.position, end: { ...this.position, line: line + region.lines, byte: byte + region.bytes }, pieces: region.pieces });
    if (region.cut) this.#appendEvent('cut', {});
    if (region.unterminated) this.#appendEvent('unterminated', {});
    this.#writer.settle();
  }

  #appendPart(stream: OutputStream, region: Region): void {
    const part = linesWithin(region, this.#room);
    if (part.lines > 0) this.#appendRegion(stream, part);
    const unfinished = this.#splitters.stdout.unfinished.length + this.#splitters.stderr.unfinished.length;
    this.#splitters = this.#newSplitters();
    this.#truncate(sourceBytes(region) - part.bytes + unfinished);
  }

  #truncate(discardedBytes: number): void {
    this.#truncated = true;
    this.#discardedBytes += discardedBytes;
    this.#appendEvent('truncated', { bytesMax: this.#limits.outputBytesMax });
    this.#writer.settle();
  }

  #switchTo(stream: OutputStream): void {
    this.#stream = stream;
    this.#appendEvent('stream', { stream });
  }

  #appendText(terminal: TerminalText, text: Uint8Array): void {
    const bytes = text.length <= this.#room ? text : text.subarray(0, characterStart(text, this.#room));
    if (bytes.length > 0) this.#appendBytes(terminal, bytes);
    if (bytes.length < text.length) this.#truncate(text.length - bytes.length);
  }

  /** Where the next segment is to begin, at a line, the bytes become two items. */
  #appendBytes(terminal: TerminalText, bytes: Uint8Array): void {
    const start = this.position;
    const line = start.line + terminal.count(bytes);
    const split = this.#writer.isFull ? Math.min(Math.max(0, terminal.lineByte - start.byte), bytes.length) : 0;
    for (const part of [bytes.subarray(0, split), bytes.subarray(split)]) {
      if (part.length === 0) continue;
      this.#append({ type: 'raw', start: this.position, end: { ...this.position, line, byte: this.position.byte + part.length }, pieces: [part] });
      this.#writer.settle();
    }
  }

  #endText(terminal: TerminalText): void {
    const rest = terminal.decodeRest();
    if (this.#truncated) this.#discardedBytes += rest.length;
    else this.#appendText(terminal, rest);
    this.position = { ...this.position, line: this.position.line + terminal.countRest(this.position.byte) };
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
    this.#writer.append(item);
  }

  /** A terminal's chunks and events end in the middle of a line, and who reads lines begins with a whole one. */
  #mark(): Mark {
    const { shape, position } = this;
    const known = { shape, stream: this.#stream, truncated: this.#truncated, lineBytesMax: this.#lineBytesMax };
    if (this.#terminal === undefined) return { ...known, place: position, source: { ...this.#source } };
    return { ...known, place: { ...position, byte: this.#terminal.lineByte }, source: { stdout: position.byte, stderr: 0 } };
  }

  #advance(): void {
    this.#writer.schedule();
    this.wake();
  }

  #onWritten(position: Position): void {
    this.written = position;
    this.tail.settle(position);
    this.#release();
    this.#advance();
  }

  /** What was appended since is lost; only watchers at the end may have seen it. */
  #fail(error: Error, position: Position): void {
    this.failure = error;
    this.position = position;
    this.written = position;
    this.tail.cutBack(position);
    this.#release();
    this.#advance();
    this.#onFailure(error);
  }

  #release(): void {
    if (this.#drained === undefined || this.#writer.owedBytes > this.#limits.owedBytesMax / 2) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  async #finish(): Promise<void> {
    await this.#writer.flush();
    this.#complete();
  }

  #complete(): void {
    this.written = this.position;
    this.ended = true;
    this.wake();
    this.letGo();
  }

  protected override looked(): Promise<void> | undefined {
    return (this.#looking ??= this.#look?.());
  }

  protected override get lineByte(): number {
    return this.#terminal?.lineByte ?? this.position.byte;
  }

  /** What cannot be read is told to those who read it. */
  async #lookInto(folder: string, options: ReopenOptions): Promise<void> {
    this.files = await LogFiles.in(folder).catch(() => new LogFiles(folder, [0]));
    const found = this.files.numbers.length === 0 ? undefined : await survey(this.files, options).catch(() => undefined);
    if (found !== undefined) this.position = wholeEnd(found);
    this.#complete();
  }

}

export interface ReopenOptions {
  readonly shape: Shape;
  /** Of a log of the first version, which does not say it itself. */
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

/** The end of a text, no longer than `bytesMax`, without the rest of a character at its beginning. */
function lastCharacters(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let from = Math.max(0, bytes.length - bytesMax);
  if (from > 0) while (from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from);
}
