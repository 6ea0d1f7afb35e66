// Checkpoints: index records at the start of a line, with everything needed to resume the log there after a crash.

import type { OutputStream } from '../../../../calls/contract/ports.ts';
import { beginning, type Position } from '../position.ts';
import type { LogFormat } from './read-page.ts';

export interface Checkpoint {
  /** In a terminal's log, the events before this position may include events that came after its line began. */
  readonly position: Position;
  /**
   * Bytes of each stream as the work printed them. With the format `raw`, they count all stored bytes, including the
   * current line.
   */
  readonly source: Readonly<Record<OutputStream, number>>;
  /** Stream of the last line. */
  readonly stream: OutputStream;
  /**
   * True if the last line came from a part of the run. An event before the next line then names the part and stream
   * again.
   */
  readonly fromPart: boolean;
  /** True if the output limit was reached before this checkpoint. */
  readonly truncated: boolean;
  readonly format: LogFormat;
  /** True if the format is `raw` and the bytes are not repaired. */
  readonly exact?: boolean;
  /** Maximum length of a terminal's lines; longer ones are cut. Fixed for the life of the log. */
  readonly lineBytesMax: number;
}

export function initialCheckpoint(format: LogFormat, lineBytesMax: number, exact = false): Checkpoint {
  return {
    position: beginning,
    source: { stdout: 0, stderr: 0 },
    stream: 'stdout',
    fromPart: false,
    truncated: false,
    format,
    ...(exact && { exact }),
    lineBytesMax,
  };
}

const magic = 0x6c6f67;
const words = 9;
export const checkpointBytes = words * 8;

/** Encodes each checkpoint as nine little-endian doubles. */
export function encodeCheckpoints(checkpoints: readonly Checkpoint[]): Buffer {
  const buffer = Buffer.alloc(checkpoints.length * checkpointBytes);
  checkpoints.forEach(({ position, source, lineBytesMax, ...checkpoint }, i) => {
    const flags = encodeFlags(checkpoint);
    const values = [
      magic,
      position.line,
      position.byte,
      position.seq,
      position.eventByte,
      source.stdout,
      source.stderr,
      flags,
      lineBytesMax,
    ];
    for (const [j, value] of values.entries()) buffer.writeDoubleLE(value, i * checkpointBytes + j * 8);
  });
  return buffer;
}

function encodeFlags({
  stream,
  truncated,
  format,
  fromPart,
  exact = false,
}: Pick<Checkpoint, 'stream' | 'truncated' | 'format' | 'fromPart' | 'exact'>): number {
  const bits = [stream === 'stderr', truncated, format === 'raw', fromPart, exact];
  return bits.reduce((flags, bit, i) => flags + (bit ? 1 << i : 0), 0);
}

/** Returns undefined if the bytes are not a complete checkpoint. */
export function decodeCheckpoint(bytes: Buffer): Checkpoint | undefined {
  if (bytes.length < checkpointBytes || bytes.readDoubleLE(0) !== magic) return undefined;
  const value = (word: number): number => bytes.readDoubleLE(word * 8);
  const flags = value(7);
  return {
    position: { line: value(1), byte: value(2), seq: value(3), eventByte: value(4) },
    source: { stdout: value(5), stderr: value(6) },
    stream: flags & 1 ? 'stderr' : 'stdout',
    fromPart: (flags & 8) !== 0,
    truncated: (flags & 2) !== 0,
    format: flags & 4 ? 'raw' : 'lines',
    ...((flags & 16) !== 0 && { exact: true }),
    lineBytesMax: value(8),
  };
}
