// The entries of a log: a batch of whole lines, a raw chunk, an event or a gap.
//
// Encoders attach their result to an output entry, so that all watchers share it.

import { isUtf8 } from 'node:buffer';
import type { GapReason } from '../../../protocol/messages.ts';
import { releaseBuffer } from '../../support/buffer-pool.ts';
import type { Position } from './position.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;

interface Span {
  readonly start: Position;
  readonly end: Position;
}

/** `lines`: whole lines, each ended by `\n`. `raw`: a chunk of the stored bytes, which may end within a line. */
export interface OutputEntry extends Span {
  readonly type: 'lines' | 'raw';
  /** The output in consecutive pieces. Empty once the output is no longer in memory. */
  pieces: readonly Uint8Array[];
  encodings?: AttachedEncoding[];
  /** Total size of the entries that the memory tail retains. Set while this entry is one of them. */
  tailBytes?: { total: number };
}

export interface EventEntry extends Span {
  readonly type: 'event';
  /** JSON text of the event. */
  readonly json: Uint8Array;
}

/** The entries between `start` and `end` are no longer stored. */
export interface GapEntry extends Span {
  readonly type: 'gap';
  readonly reason: GapReason;
}

export type LogEntry = OutputEntry | EventEntry;

/** What a watcher sends to its sink. */
export type WatcherEntry = LogEntry | GapEntry;

/** The result of an encoder for one entry. It stays in memory as long as the entry. */
export interface Encoding {
  readonly byteLength: number;
  /** Called once, when the output of the entry leaves memory. */
  release?(): void;
}

export type Encoder<E extends Encoding> = (entry: OutputEntry) => E;

interface AttachedEncoding {
  readonly encoder: Encoder<Encoding>;
  readonly encoding: Encoding;
}

/** Returns how many bytes the entry and the encodings attached to it occupy in memory. */
export function entryBytes(entry: LogEntry): number {
  if (entry.type === 'event') return entry.json.length;
  let bytes = 0;
  for (const piece of entry.pieces) bytes += piece.length;
  for (const { encoding } of entry.encodings ?? []) bytes += encoding.byteLength;
  return bytes;
}

/** Removes the output of the entry from memory. Its bytes must not be read afterwards. */
export function releaseEntry(entry: OutputEntry): void {
  for (const piece of entry.pieces) releaseBuffer(piece);
  for (const { encoding } of entry.encodings ?? []) encoding.release?.();
  entry.pieces = [];
  delete entry.encodings;
  delete entry.tailBytes;
}

/**
 * Returns the output as valid UTF-8: invalid bytes are replaced by U+FFFD. Valid output is returned as a view, without
 * a copy.
 */
export function readText({ pieces }: OutputEntry): Buffer {
  const bytes = pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces);
  // A newline byte is never part of another character, so one pass repairs each line independently.
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString('utf8'), 'utf8');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Yields the lines of a region without their terminators, as views. Ignores bytes after the last `\n`. */
export function* eachLine(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    yield bytes.subarray(start, end > start && bytes[end - 1] === carriageReturn ? end - 1 : end);
  }
}
