// The log of a run: appends output and events in batches, writes them to disk, and wakes the watchers.

import type { Output, OutputStream } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/run-record.ts';
import type { LogEntry } from './entry.ts';
import { MemoryTail } from './memory-tail.ts';
import type { ClosedSegment, LogLimits, LogOptions } from './options.ts';
import type { Position } from './position.ts';
import type { Checkpoint } from './storage/checkpoint.ts';
import { emptyScan, type LogScan, recover, type ScanOptions } from './storage/recover.ts';
import { listSegments } from './storage/segment-folder.ts';
import { SegmentSet } from './storage/segment-set.ts';
import { LogWriter } from './storage/writer.ts';
import { encodeEvent, namespaceEventType } from './text/encode-event.ts';
import type { Region } from './text/line-splitter.ts';
import { linesWithin, sourceBytes } from './text/output-limit.ts';
import {
  isDefaultSource,
  isSameSource,
  type OutputSource,
  OutputSources,
  type PartName,
  type SourceName,
  sourceFields,
} from './text/output-sources.ts';
import { RawText } from './text/raw-text.ts';
import { lastCharacters } from './text/utf8.ts';
import { type PartialLine, WatchableLog } from './watchable-log.ts';

export type { LogLimits } from './options.ts';

/**
 * Logs of format `lines` hold whole lines, from all streams.
 *
 * Logs of format `raw` hold bytes, and their lines are counted as watchers of lines receive them. The bytes of a
 * terminal are repaired to valid UTF-8 before they are stored, because cursors count the bytes on the wire. In an exact
 * log, both streams are stored unchanged, and events name the stream of the bytes that follow.
 */
export class RunLog extends WatchableLog {
  /** Set when the disk rejects a write. The log then ends with what was written before and drops all further output. */
  failure: Error | undefined;
  /** `performance.now()` at the last output that is not of a service; at first, at the creation of the log. */
  lastWriteMs = performance.now();

  readonly #writer: LogWriter;
  readonly #limits: LogLimits;
  readonly #lineBytesMax: number;
  readonly #onFailure: (error: Error) => void;
  readonly #raw: RawText | undefined;
  readonly #sources: OutputSources;
  /**
   * Source of the last output, which may be a partial line. Never a service, because clients show the lines of services
   * on request only.
   */
  #activeSource: OutputSource;
  /** Source of the last whole line. */
  #lastLineSource: SourceName;
  /**
   * The source that was announced since the last checkpoint. Undefined: announce it again, because watchers that start
   * in the middle read back only to a checkpoint.
   */
  #announcedSource: OutputSource | undefined;
  /** The last event that announced a source. */
  #lastSourceEvent: Uint8Array | undefined;
  readonly #sourceBytes: Record<OutputStream, number>;
  #truncated: boolean;
  #discardedBytes = 0;
  #closing: Promise<void> | undefined;
  #closedSegments: readonly ClosedSegment[];

  private constructor(folder: string, options: LogOptions, scan: LogScan, closed: readonly ClosedSegment[]) {
    const { limits, format, exact = false } = options;
    const lineBytesMax = format === 'raw' ? scan.lineBytesMax : limits.lineBytesMax;
    super({
      folder,
      files: scan.files,
      tail: new MemoryTail(limits.tailBytesMax),
      format,
      exact,
      lineBytesMax,
      end: scan.end,
    });
    this.#limits = limits;
    this.#onFailure = options.onFailure;
    this.#lineBytesMax = lineBytesMax;
    const lineByte = scan.end.byte - scan.splitter.partialLine.length;
    this.#raw = format === 'raw' ? new RawText(scan.splitter, { lineByte, exact }) : undefined;
    this.#sources = new OutputSources(lineBytesMax);
    this.#activeSource = this.#sources.own.stdout;
    this.#lastLineSource = scan.lastSource;
    this.#announcedSource = isDefaultSource(scan.lastSource) ? this.#sources.own.stdout : undefined;
    this.#lastSourceEvent = scan.sourceEvent;
    this.#sourceBytes = { ...scan.source };
    this.#truncated = scan.truncated;
    this.#closedSegments = closed;
    this.#writer = new LogWriter({
      files: scan.files,
      segment: scan.segment,
      written: scan.end,
      limits,
      checkpoint: () => this.#checkpoint(),
      onSegment: (segment) => {
        this.#closedSegments = [...this.#closedSegments, segment];
      },
      onWritten: (position) => this.#onWritten(position),
      onFailure: (error, position) => this.#fail(error, position),
    });
  }

  /**
   * Creates a log. Its folder is created at the first write, so a queued run costs nothing. Calls `onFailure` if the
   * folder cannot be created.
   */
  static create(folder: string, options: LogOptions): RunLog {
    return new RunLog(folder, options, emptyScan(new SegmentSet(folder), scanOptions(options)), []);
  }

  /**
   * Opens the log of an earlier gateway process and truncates it to whole lines. The result can be continued or closed.
   * A missing folder is an empty log. Rejects with the file-system error.
   */
  static async resume(folder: string, options: LogOptions): Promise<ResumedLog> {
    const scan = await recover(folder, scanOptions(options));
    const closedMs = performance.now();
    const closed = (await listSegments(folder)).slice(0, -1).map(({ number, bytes }) => ({ number, bytes, closedMs }));
    return { log: new RunLog(folder, options, scan, closed), sourceBytes: scan.source };
  }

  /** Appends a copy of the chunk, so the caller may reuse its buffer. */
  write(stream: OutputStream, chunk: Uint8Array): void {
    if (!this.#isClosed) this.#appendChunk(this.#sources.own[stream], chunk);
  }

  /** Ends the stream: an unterminated last line becomes a line. Idempotent. */
  endStream(stream: OutputStream): void {
    if (!this.#isClosed) this.#endSource(this.#sources.own[stream]);
  }

  /** Returns an output whose lines are attributed to a job or to a service of a job. Raw output has no parts. */
  part(job: string, service?: string): Pick<RunLog, 'write' | 'endStream'> {
    return this.#part({ job, ...(service !== undefined && { service }) });
  }

  #part(name: PartName): Pick<RunLog, 'write' | 'endStream'> {
    if (this.#raw !== undefined) return this;
    return {
      write: (stream, chunk) => {
        if (!this.#isClosed) this.#appendChunk(this.#sources.partSource(name, stream), chunk);
      },
      endStream: (stream) => {
        const source = this.#sources.closePart(name, stream);
        if (source !== undefined && !this.#isClosed) this.#endSource(source);
      },
    };
  }

  /** The log as the output of the work. */
  get output(): Output {
    return createOutput(this, this, (job) =>
      createOutput(this, this.part(job), (service, { repeated } = {}) =>
        createOutput(this, this.#part(repeated ? { job, repeats: service } : { job, service })),
      ),
    );
  }

  /** Appends an event. Event types that the log itself uses get the prefix `call:`. */
  emit(type: string, facts: Readonly<Record<string, Json>> = {}): void {
    if (this.#isClosed) return;
    this.#appendEvent(namespaceEventType(type), facts);
    this.#writer.commit();
    this.#advance();
  }

  /** True while the disk is so far behind that the work must wait. */
  get full(): boolean {
    return this.#writer.full;
  }

  /** Resolves when at most half of `pendingWriteBytesMax` is pending. */
  drained(): Promise<void> {
    return this.#writer.drained();
  }

  /** Ends all streams, writes what is pending, and marks the log as ended. Idempotent. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      for (const source of this.#sources.all()) if (!this.#isClosed) this.#endSource(source);
      if (this.exact && this.#raw !== undefined && !this.#isClosed) this.#endLastLine(this.#raw);
      if (this.#discardedBytes > 0 && !this.#isClosed) this.#appendEvent('discarded', { bytes: this.#discardedBytes });
    }
    return (this.#closing ??= this.#finish());
  }

  /** Size of the stored output and events, without what retention has removed. */
  get storedBytes(): number {
    return this.#closedSegments.reduce((sum, { bytes }) => sum + bytes, this.#writer.segmentBytes);
  }

  /** Complete segments, oldest first. */
  get closedSegments(): readonly ClosedSegment[] {
    return this.#closedSegments;
  }

  override async dropSegments(below: number): Promise<number> {
    this.#closedSegments = this.#closedSegments.filter(({ number }) => number >= below);
    return super.dropSegments(below);
  }

  /**
   * Accepts no more output. Resolves when the output so far is on disk, so that another process can continue the log.
   */
  suspend(): Promise<void> {
    return (this.#closing ??= this.#writer.flush());
  }

  override partialLine(bytesMax: number): PartialLine | undefined {
    const { stream, job, splitter } = this.#activeSource;
    const line = this.#raw?.partialLine ?? splitter.partialLine;
    const text = Buffer.from(lastCharacters(line, bytesMax)).toString('utf8');
    return text === '' ? undefined : { stream, ...(job !== undefined && { job }), text };
  }

  override partialLineBytes(stream: OutputStream): Uint8Array {
    return this.#raw === undefined ? this.#sources.own[stream].splitter.partialLine : super.partialLineBytes(stream);
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined || this.failure !== undefined;
  }

  #appendChunk(source: OutputSource, chunk: Uint8Array): void {
    if (source.service === undefined) {
      this.lastWriteMs = performance.now();
      this.#activeSource = source;
    }
    if (this.#truncated) return void (this.#discardedBytes += chunk.length);
    if (this.#raw === undefined) this.#appendRegions(source, source.splitter.push(chunk));
    else this.#appendText(this.#raw, { source, text: this.#raw.decode(chunk) });
    this.#advance();
  }

  #endSource(source: OutputSource): void {
    if (this.#raw === undefined) this.#appendRegions(source, source.splitter.flush());
    else this.#endText(this.#raw, source);
    this.#advance();
  }

  /** Number of output bytes that may still be stored. */
  get #remainingBytes(): number {
    const { outputBytesMax } = this.#limits;
    // Output that was stored under a larger limit stays stored.
    return outputBytesMax === 0 ? Infinity : Math.max(0, outputBytesMax - this.position.byte);
  }

  #appendRegions(source: OutputSource, regions: readonly Region[]): void {
    for (const region of regions) {
      if (this.#truncated) this.#discardedBytes += sourceBytes(region);
      else if (region.bytes <= this.#remainingBytes) this.#appendRegion(source, region);
      else this.#appendWithin(source, region);
    }
  }

  #appendRegion(source: OutputSource, region: Region): void {
    if (source !== this.#announcedSource) this.#switchSource(source);
    const { line, byte } = this.position;
    this.#sourceBytes[source.stream] += sourceBytes(region);
    this.#append({
      type: 'lines',
      start: this.position,
      end: { ...this.position, line: line + region.lines, byte: byte + region.bytes },
      pieces: region.pieces,
    });
    if (region.cut) this.#appendEvent('cut', {});
    if (region.unterminated) this.#appendEvent('unterminated', {});
    this.#writer.commit();
  }

  #appendWithin(source: OutputSource, region: Region): void {
    const within = linesWithin(region, this.#remainingBytes);
    if (within.lines > 0) this.#appendRegion(source, within);
    this.#truncate(sourceBytes(region) - within.bytes + this.#sources.discardPartialLines());
    this.#activeSource = this.#sources.own.stdout;
  }

  #truncate(discardedBytes: number): void {
    this.#truncated = true;
    this.#discardedBytes += discardedBytes;
    this.#appendEvent('truncated', { bytesMax: this.#limits.outputBytesMax });
    this.#writer.commit();
  }

  #switchSource(source: OutputSource): void {
    const isAnnounced = this.#announcedSource !== undefined && isSameSource(source, this.#announcedSource);
    if (!isAnnounced) this.#lastSourceEvent = this.#appendEvent('stream', sourceFields(source));
    this.#lastLineSource = source;
    this.#announcedSource = source;
  }

  #appendText(raw: RawText, { source, text }: { readonly source: OutputSource; readonly text: Uint8Array }): void {
    const remaining = this.#remainingBytes;
    const bytes = text.length <= remaining ? text : text.subarray(0, raw.cut(text, remaining));
    if (bytes.length > 0) this.#appendBytes(raw, source, bytes);
    if (bytes.length < text.length) this.#truncate(text.length - bytes.length);
  }

  /** Appends the bytes. Splits them into two entries if the next segment can begin at a line within them. */
  #appendBytes(raw: RawText, source: OutputSource, bytes: Uint8Array): void {
    const start = this.position;
    const line = start.line + raw.countLines(bytes);
    const split = this.#writer.isSegmentFull ? Math.min(Math.max(0, raw.lineByte - start.byte), bytes.length) : 0;
    for (const part of [bytes.subarray(0, split), bytes.subarray(split)]) {
      if (part.length === 0) continue;
      if (source !== this.#announcedSource) this.#switchSource(source);
      this.#sourceBytes[source.stream] += part.length;
      this.#append({
        type: 'raw',
        start: this.position,
        end: { ...this.position, line, byte: this.position.byte + part.length },
        pieces: [part],
      });
      this.#writer.commit();
    }
  }

  #endText(raw: RawText, source: OutputSource): void {
    const rest = raw.flushDecoder();
    if (this.#truncated) this.#discardedBytes += rest.length;
    else this.#appendText(raw, { source, text: rest });
    // In an exact log, the other stream may continue the line, so only the end of the log ends it.
    if (!this.exact) this.#endLastLine(raw);
  }

  #endLastLine(raw: RawText): void {
    this.position = { ...this.position, line: this.position.line + raw.countFinalLine(this.position.byte) };
  }

  #appendEvent(type: string, facts: Readonly<Record<string, Json>>): Uint8Array {
    const { line, byte, seq, eventByte } = this.position;
    const json = encodeEvent({ seq: seq + 1, at: line, ...(this.format === 'raw' && { byte }) }, type, facts);
    this.#append({
      type: 'event',
      start: this.position,
      end: { ...this.position, seq: seq + 1, eventByte: eventByte + json.length + 1 },
      json,
    });
    return json;
  }

  #append(entry: LogEntry): void {
    this.position = entry.end;
    this.tail.push(entry);
    this.#writer.append(entry);
  }

  /**
   * In a terminal's log, a checkpoint points to the start of the current line. Chunks and events may end within a line,
   * but watchers of lines start with a whole line.
   */
  #checkpoint(): Checkpoint {
    const { format, position } = this;
    const { stream, job } = this.#lastLineSource;
    if (!isDefaultSource(this.#lastLineSource)) this.#announcedSource = undefined;
    const common = {
      format,
      stream,
      fromPart: job !== undefined,
      truncated: this.#truncated,
      ...(this.exact && { exact: true }),
      lineBytesMax: this.#lineBytesMax,
    };
    if (this.#raw === undefined) return { ...common, position, source: { ...this.#sourceBytes } };
    return {
      ...common,
      position: { ...position, byte: this.#raw.lineByte },
      source: { ...this.#sourceBytes },
    };
  }

  #advance(): void {
    this.#writer.schedule();
    this.tail.wakeWatchers();
  }

  #onWritten(position: Position): void {
    this.written = position;
    this.tail.markWritten(position);
    this.#advance();
  }

  /**
   * Ends the log at `position`. What was appended after it is lost; only watchers at the end of the log may have
   * received it.
   */
  #fail(error: Error, position: Position): void {
    this.failure = error;
    this.position = position;
    this.written = position;
    this.tail.truncate(position);
    this.#advance();
    this.#onFailure(error);
  }

  async #finish(): Promise<void> {
    await this.#writer.flush();
    this.markComplete(this.position);
  }

  /** The files need no scan: no other process changes them. */
  protected override ensureScanned(): undefined {
    return undefined;
  }

  protected override get lastSourceEvent(): Uint8Array | undefined {
    return this.#lastSourceEvent;
  }

  protected override get lineByte(): number {
    return this.#raw?.lineByte ?? this.position.byte;
  }
}

export interface ResumedLog {
  readonly log: RunLog;
  /**
   * Bytes of each stream in the log, as the work printed them. The streams continue after these bytes. Not used for
   * terminals.
   */
  readonly sourceBytes: Readonly<Record<OutputStream, number>>;
}

function scanOptions({ format, exact = false, limits }: LogOptions): ScanOptions {
  return { format, exact, lineBytesMax: limits.lineBytesMax };
}

/** Without `part`, every part of the output is the output itself. */
function createOutput(log: RunLog, source: Pick<RunLog, 'write' | 'endStream'>, part?: Output['part']): Output {
  const output: Output = {
    write: (stream, chunk) => source.write(stream, chunk),
    get full() {
      return log.full;
    },
    drained: () => log.drained(),
    end: (stream) => source.endStream(stream),
    part: (name, options) => part?.(name, options) ?? output,
    exact: log.exact,
  };
  return output;
}
