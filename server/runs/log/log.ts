// The log of a run: output and events appended in batches, on their way to the disk and to whoever watches.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/record.ts';
import { linesWithin, sourceBytes } from './bound.ts';
import { lastCharacters } from './characters.ts';
import { encodeEvent, foreignType } from './event.ts';
import { LogFiles } from './files.ts';
import type { Item } from './item.ts';
import { characterStart } from './lines.ts';
import type { Mark } from './mark.ts';
import type { LogLimits, LogOptions } from './options.ts';
import type { Position } from './position.ts';
import { nothingIn, recover, type Survey } from './recover.ts';
import { LineSplitter, type Region } from './splitter.ts';
import { Tail } from './tail.ts';
import { TerminalText } from './terminal-text.ts';
import { WatchedLog, type Unfinished } from './watched.ts';
import { LogWriter } from './writer.ts';

export type { LogLimits } from './options.ts';

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
  #closing: Promise<void> | undefined;

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
      files: found.files, segment: found.segment, written: found.end, limits, mark: () => this.#mark(),
      onWritten: (position) => this.#onWritten(position), onFailure: (error, position) => this.#fail(error, position),
    });
  }

  /** A new log. Its folder is made when there is something to write, so that a run that waits costs nothing; `onFailure` hears when it cannot be. */
  static create(folder: string, options: LogOptions): RunLog {
    return new RunLog(folder, options, nothingIn(new LogFiles(folder), options.shape, options.limits.lineBytesMax));
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
    this.#appendEvent(foreignType(type), facts);
    this.#writer.settle();
    this.#advance();
  }

  /** True while the disk is so far behind that the work should wait. */
  get full(): boolean {
    return this.#writer.full;
  }

  /** Resolves when the disk has caught up by half. */
  drained(): Promise<void> {
    return this.#writer.drained();
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

  override unfinished(bytesMax: number): Unfinished | undefined {
    const line = this.#terminal?.unfinished ?? this.#splitters[this.#lastStream].unfinished;
    const text = Buffer.from(lastCharacters(line, bytesMax)).toString('utf8');
    return text === '' ? undefined : { stream: this.#lastStream, text };
  }

  override unfinishedBytes(stream: OutputStream): Uint8Array {
    return this.#terminal === undefined ? this.#splitters[stream].unfinished : super.unfinishedBytes(stream);
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
    // What was stored under a larger bound stays.
    return outputBytesMax === 0 ? Infinity : Math.max(0, outputBytesMax - this.position.byte);
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
    const json = encodeEvent({ seq: seq + 1, at: line, ...(this.shape === 'raw' && { byte }) }, type, facts);
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
    this.#advance();
  }

  /** What was appended since is lost; only watchers at the end may have seen it. */
  #fail(error: Error, position: Position): void {
    this.failure = error;
    this.position = position;
    this.written = position;
    this.tail.cutBack(position);
    this.#advance();
    this.#onFailure(error);
  }

  async #finish(): Promise<void> {
    await this.#writer.flush();
    this.complete(this.position);
  }

  /** Its files are its own: nothing changes them behind its back. */
  protected override looked(): undefined {
    return undefined;
  }

  protected override get lineByte(): number {
    return this.#terminal?.lineByte ?? this.position.byte;
  }
}

export interface ResumedLog {
  readonly log: RunLog;
  /** How many bytes of each stream, as the work printed them, are in the log: it is to be given what comes after. Of a terminal, nothing that counts. */
  readonly sourceBytes: Readonly<Record<OutputStream, number>>;
}
