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
import { factsOf, isPlain, Sources, type Source } from './sources.ts';
import type { Region } from './splitter.ts';
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
  readonly #sources: Sources;
  /** What printed last, be it no whole line. */
  #latest: Source;
  /** What printed the last line. */
  #last: Pick<Source, 'stream' | 'job'>;
  /** The same, as far as it was told behind the last mark: whoever begins in the middle looks no further back. Undefined: it is still to be told. */
  #told: Source | undefined;
  /** The last event that says it. */
  #lastTold: Uint8Array | undefined;
  readonly #sourceBytes: Record<OutputStream, number>;
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
    this.#sources = new Sources(lineBytesMax);
    this.#latest = this.#sources.own.stdout;
    this.#last = found.last;
    this.#told = isPlain(found.last) ? this.#sources.own.stdout : undefined;
    this.#lastTold = found.told;
    this.#sourceBytes = { ...found.source };
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
    if (!this.#isClosed) this.#take(this.#sources.own[stream], chunk);
  }

  /** The stream is at its end: what it left unterminated becomes a line. Safe twice. */
  endStream(stream: OutputStream): void {
    if (!this.#isClosed) this.#end(this.#sources.own[stream]);
  }

  /** The same for a part of the run: its lines are whole lines of its own, told as that part's. A terminal has no parts. */
  part(name: string): Pick<RunLog, 'write' | 'endStream'> {
    if (this.#terminal !== undefined) return this;
    return {
      write: (stream, chunk) => {
        if (!this.#isClosed) this.#take(this.#sources.ofPart(name, stream), chunk);
      },
      endStream: (stream) => {
        const source = this.#sources.takePart(name, stream);
        if (source !== undefined && !this.#isClosed) this.#end(source);
      },
    };
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

  /** Ends all streams, writes what is owed, and tells the watchers that this was all. Safe twice. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      for (const source of this.#sources.all()) if (!this.#isClosed) this.#end(source);
      if (this.#discardedBytes > 0 && !this.#isClosed) this.#appendEvent('discarded', { bytes: this.#discardedBytes });
    }
    return (this.#closing ??= this.#finish());
  }

  override unfinished(bytesMax: number): Unfinished | undefined {
    const { stream, job, splitter } = this.#latest;
    const line = this.#terminal?.unfinished ?? splitter.unfinished;
    const text = Buffer.from(lastCharacters(line, bytesMax)).toString('utf8');
    return text === '' ? undefined : { stream, ...(job !== undefined && { job }), text };
  }

  override unfinishedBytes(stream: OutputStream): Uint8Array {
    return this.#terminal === undefined ? this.#sources.own[stream].splitter.unfinished : super.unfinishedBytes(stream);
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined || this.failure !== undefined;
  }

  #take(source: Source, chunk: Uint8Array): void {
    this.lastWriteMs = performance.now();
    this.#latest = source;
    if (this.#truncated) return void (this.#discardedBytes += chunk.length);
    if (this.#terminal === undefined) this.#appendRegions(source, source.splitter.push(chunk));
    else this.#appendText(this.#terminal, this.#terminal.decode(chunk));
    this.#advance();
  }

  #end(source: Source): void {
    if (this.#terminal === undefined) this.#appendRegions(source, source.splitter.flush());
    else this.#endText(this.#terminal);
    this.#advance();
  }

  /** How much more output may be stored. */
  get #room(): number {
    const { outputBytesMax } = this.#limits;
    // What was stored under a larger bound stays.
    return outputBytesMax === 0 ? Infinity : Math.max(0, outputBytesMax - this.position.byte);
  }

  #appendRegions(source: Source, regions: readonly Region[]): void {
    for (const region of regions) {
      if (this.#truncated) this.#discardedBytes += sourceBytes(region);
      else if (region.bytes <= this.#room) this.#appendRegion(source, region);
      else this.#appendWithin(source, region);
    }
  }

  #appendRegion(source: Source, region: Region): void {
    if (source !== this.#told) this.#turnTo(source);
    const { line, byte } = this.position;
    this.#sourceBytes[source.stream] += sourceBytes(region);
    this.#append({ type: 'lines', start: this.position, end: { ...this.position, line: line + region.lines, byte: byte + region.bytes }, pieces: region.pieces });
    if (region.cut) this.#appendEvent('cut', {});
    if (region.unterminated) this.#appendEvent('unterminated', {});
    this.#writer.settle();
  }

  #appendWithin(source: Source, region: Region): void {
    const within = linesWithin(region, this.#room);
    if (within.lines > 0) this.#appendRegion(source, within);
    this.#truncate(sourceBytes(region) - within.bytes + this.#sources.drop());
    this.#latest = this.#sources.own.stdout;
  }

  #truncate(discardedBytes: number): void {
    this.#truncated = true;
    this.#discardedBytes += discardedBytes;
    this.#appendEvent('truncated', { bytesMax: this.#limits.outputBytesMax });
    this.#writer.settle();
  }

  #turnTo(source: Source): void {
    const { stream, job } = source;
    const known = this.#told !== undefined && stream === this.#told.stream && job === this.#told.job;
    if (!known) this.#lastTold = this.#appendEvent('stream', factsOf(source));
    this.#last = source;
    this.#told = source;
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

  #appendEvent(type: string, facts: Readonly<Record<string, Json>>): Uint8Array {
    const { line, byte, seq, eventByte } = this.position;
    const json = encodeEvent({ seq: seq + 1, at: line, ...(this.shape === 'raw' && { byte }) }, type, facts);
    this.#append({ type: 'event', start: this.position, end: { ...this.position, seq: seq + 1, eventByte: eventByte + json.length + 1 }, json });
    return json;
  }

  #append(item: Item): void {
    this.position = item.end;
    this.tail.push(item);
    this.#writer.append(item);
  }

  /** A terminal's chunks and events end in the middle of a line, and who reads lines begins with a whole one. */
  #mark(): Mark {
    const { shape, position } = this;
    const { stream, job } = this.#last;
    if (!isPlain(this.#last)) this.#told = undefined;
    const known = { shape, stream, ofPart: job !== undefined, truncated: this.#truncated, lineBytesMax: this.#lineBytesMax };
    if (this.#terminal === undefined) return { ...known, place: position, source: { ...this.#sourceBytes } };
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

  protected override get lastTold(): Uint8Array | undefined {
    return this.#lastTold;
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
