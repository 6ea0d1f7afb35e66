// What a log knows at a place where a line begins, and how its index keeps that: what is needed to go on from there after a crash.

import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { Shape } from './page.ts';
import { beginning, type Position } from './position.ts';

export interface Mark {
  /** Of a terminal, events may stand before it that came after the line had begun. */
  readonly place: Position;
  /** Bytes of each stream, as the work printed them. Of a terminal, all that is stored, the line it is writing too, as `stdout`. */
  readonly source: Readonly<Record<OutputStream, number>>;
  /** What printed the last line. */
  readonly stream: OutputStream;
  /** That was a part of the run; which one, and which stream, the next line's event says again. */
  readonly ofPart: boolean;
  /** The bound of the output was reached before. */
  readonly truncated: boolean;
  readonly shape: Shape;
  /** Where a terminal's lines are cut, for as long as its log lives. */
  readonly lineBytesMax: number;
}

export function origin(shape: Shape, lineBytesMax: number): Mark {
  return { place: beginning, source: { stdout: 0, stderr: 0 }, stream: 'stdout', ofPart: false, truncated: false, shape, lineBytesMax };
}

const magic = 0x6c6f67;
const words = 9;
export const markBytes = words * 8;

/** Doubles, little-endian. */
export function encodeMarks(marks: readonly Mark[]): Buffer {
  const buffer = Buffer.alloc(marks.length * markBytes);
  marks.forEach(({ place, source, stream, ofPart, truncated, shape, lineBytesMax }, i) => {
    const flags = (stream === 'stderr' ? 1 : 0) + (truncated ? 2 : 0) + (shape === 'raw' ? 4 : 0) + (ofPart ? 8 : 0);
    const values = [magic, place.line, place.byte, place.seq, place.eventByte, source.stdout, source.stderr, flags, lineBytesMax];
    values.forEach((value, j) => buffer.writeDoubleLE(value, i * markBytes + j * 8));
  });
  return buffer;
}

/** Undefined when the bytes are no mark, or not all there. */
export function decodeMark(bytes: Buffer): Mark | undefined {
  if (bytes.length < markBytes || bytes.readDoubleLE(0) !== magic) return undefined;
  const value = (word: number): number => bytes.readDoubleLE(word * 8);
  const flags = value(7);
  return {
    place: { line: value(1), byte: value(2), seq: value(3), eventByte: value(4) },
    source: { stdout: value(5), stderr: value(6) },
    stream: flags & 1 ? 'stderr' : 'stdout', ofPart: (flags & 8) !== 0, truncated: (flags & 2) !== 0, shape: flags & 4 ? 'raw' : 'lines', lineBytesMax: value(8),
  };
}
