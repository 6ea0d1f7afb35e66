// Output of jobs in the event log: rows that refer to lines in the log of a run, and the events that clients receive
// for these lines.

import { dataBytesMax } from './event.ts';

/** One stream of one job. */
export interface OutputSource {
  readonly run: string;
  /** Absent for output of the run itself. */
  readonly job?: string;
  readonly stream: 'stdout' | 'stderr';
}

export interface OutputContext extends OutputSource {
  /** RFC 3339. */
  readonly timestamp: string;
}

/** Consecutive lines of one source. */
export interface OutputBatch extends OutputContext {
  readonly lines: readonly string[];
  /** Number of lines before these in the log of the run. */
  readonly line: number;
}

/** The meaning of a row: a line in the log of a run, or one piece of a line that is too long for one event. */
export interface OutputRow {
  readonly source: OutputSource;
  /** Number of lines before this one in the log of the run. */
  readonly line: number;
  /** Number of pieces before this one in the line. */
  readonly piece: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

interface EncodedRows {
  /** The rows, each ended by `\n`. */
  readonly text: string;
  readonly count: number;
}

/** Maximum number of rows in a series. */
export const seriesMax = 1_000;

/**
 * Encodes output as rows, one per event, each ended by `\n`. The first row of a series is JSON and names its source,
 * line and time. The others are short: empty for the next line, `+N` for the next line N milliseconds later, `>` for
 * the next piece of the same line.
 */
export class OutputRows {
  #last: OutputRow | undefined;
  #count = 0;

  /** Ends the series. Call this before anything else is appended to the event log. */
  reset(): void {
    this.#last = undefined;
  }

  encode({ lines, line: first, timestamp, ...context }: OutputBatch): EncodedRows {
    const source = this.#last !== undefined && isSameSource(this.#last.source, context) ? this.#last.source : context;
    const time = Date.parse(timestamp);
    const encoder = new OutputEncoder({ ...context, timestamp });
    let text = '';
    let count = 0;
    for (const [at, line] of lines.entries()) {
      const pieces = encoder.countPieces(line);
      for (let piece = 0; piece < pieces; piece++) text += this.#encodeRow({ source, line: first + at, piece, time });
      count += pieces;
    }
    return { text, count };
  }

  #encodeRow(row: OutputRow): string {
    const last = this.#count >= seriesMax ? undefined : this.#last;
    const short = last === undefined ? undefined : shortRow(row, last);
    this.#count = short === undefined ? 1 : this.#count + 1;
    this.#last = row;
    return `${short ?? fullRow(row)}\n`;
  }
}

function isSameSource(a: OutputSource, b: OutputSource): boolean {
  return a.run === b.run && a.job === b.job && a.stream === b.stream;
}

/** Returns the short form of a row; undefined if the row does not continue the row before it. */
function shortRow({ source, line, piece, time }: OutputRow, last: OutputRow): string | undefined {
  if (source !== last.source || time < last.time) return undefined;
  if (line === last.line && piece === last.piece + 1 && time === last.time) return '>';
  if (line !== last.line + 1 || piece !== 0) return undefined;
  return time === last.time ? '' : `+${time - last.time}`;
}

function fullRow({ source: { run, ...source }, line, piece, time }: OutputRow): string {
  return JSON.stringify({ output: run, ...source, line, ...(piece > 0 && { piece }), time });
}

const eventOpening = Buffer.from('{"type":');

/** Returns whether a line of the event log is an event. Every other line is a row. */
export function isEvent(line: Buffer): boolean {
  return line.length > eventOpening.length && line.subarray(0, eventOpening.length).equals(eventOpening);
}

/** Parses a row. `last` is the row before it. Returns undefined for a short row without a row before it. */
export function readRow(row: Buffer, last: OutputRow | undefined): OutputRow | undefined {
  if (row[0] === 0x7b) return readFullRow(row.toString('utf8'));
  if (last === undefined) return undefined;
  const { source, line, piece, time } = last;
  if (row[0] === 0x3e) return { source, line, piece: piece + 1, time };
  return { source, line: line + 1, piece: 0, time: row.length === 0 ? time : time + Number(row.toString('latin1')) };
}

function readFullRow(json: string): OutputRow {
  const {
    output: run,
    line,
    piece = 0,
    time,
    ...source
  } = JSON.parse(json) as Omit<OutputSource, 'run'> & Omit<OutputRow, 'piece' | 'source'> & FullRow;
  return { source: { run, ...source }, line, piece, time };
}

interface FullRow {
  readonly output: string;
  readonly piece?: number;
}

/** Encodes lines of one source and time as events. Encodes their common fields only once. */
export class OutputEncoder {
  readonly #head: string;
  readonly #rest: string;
  readonly #pieceBytesMax: number;

  constructor({ run, job, stream, timestamp }: OutputContext) {
    this.#head = `{"type":"log","run_id":${JSON.stringify(run)},"level":"info","message":`;
    const jobField = job === undefined ? '' : `,"job":${JSON.stringify(job)}`;
    this.#rest = `,"timestamp":"${timestamp}"${jobField},"stream":"${stream}"}\n`;
    const bytes = Buffer.byteLength(this.#head) + Buffer.byteLength(this.#rest);
    this.#pieceBytesMax = Math.max(messageBytesMin, dataBytesMax - bytes);
  }

  /** Returns the JSON texts of the line's events, each ended by `\n`: several if the line is too long for one event. */
  encode(line: string): readonly string[] {
    return jsonPieces(line, this.#pieceBytesMax).map((piece) => this.#head + piece + this.#rest);
  }

  countPieces(line: string): number {
    return isShort(line, this.#pieceBytesMax) ? 1 : jsonPieces(line, this.#pieceBytesMax).length;
  }
}

/** Returns the JSON texts of the events of `lines`, each ended by `\n`. */
export function encodeOutput(lines: readonly string[], context: OutputContext): string {
  const encoder = new OutputEncoder(context);
  let text = '';
  for (const line of lines) for (const json of encoder.encode(line)) text += json;
  return text;
}

/** Minimum space for the message, even if the name of the job fills the event. */
const messageBytesMin = 1_000;

/** Longest JSON escape of one UTF-16 unit: `\u0000`. */
const unitBytesMax = 6;

function isShort(text: string, bytesMax: number): boolean {
  return text.length * unitBytesMax + 2 <= bytesMax;
}

/** Splits `text` between characters into JSON strings of at most `bytesMax` bytes. Joined, they are the text. */
export function jsonPieces(text: string, bytesMax: number): readonly string[] {
  if (isShort(text, bytesMax)) return [JSON.stringify(text)];
  const pieces: string[] = [];
  let start = 0;
  let bytes = 2;
  for (let at = 0; at < text.length; ) {
    const length = isHighSurrogate(text.charCodeAt(at)) && at + 1 < text.length ? 2 : 1;
    const cost = length === 2 ? 2 * unitBytesMax : maxEncodedBytes(text.charCodeAt(at));
    if (bytes + cost > bytesMax && at > start) {
      pieces.push(JSON.stringify(text.slice(start, at)));
      start = at;
      bytes = 2;
    }
    bytes += cost;
    at += length;
  }
  pieces.push(JSON.stringify(text.slice(start)));
  return pieces;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function maxEncodedBytes(unit: number): number {
  if (unit < 0x20 || (unit >= 0xd800 && unit <= 0xdfff)) return unitBytesMax;
  if (unit === 0x22 || unit === 0x5c) return 2;
  return unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
}
