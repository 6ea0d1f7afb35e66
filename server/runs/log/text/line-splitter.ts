// Splits the bytes of one output stream into regions of whole lines, and keeps the partial line for the next chunk.

import { isUtf8 } from 'node:buffer';
import { acquireBuffer } from '../../../support/buffer-pool.ts';
import { countLines } from '../../../support/kernel/line-kernel.ts';
import { characterStart, contentBytes, lineEnd, newline } from './line-boundaries.ts';

const terminator = Uint8Array.of(newline);

export interface Region {
  /** Whole lines, each ended by `\n`, in pieces that follow each other. */
  readonly pieces: readonly Uint8Array[];
  readonly lines: number;
  readonly bytes: number;
  /** The only line of the region was too long. Its `\n` was added, and the next line of the stream continues it. */
  readonly cut?: true;
  /** The last `\n` was added, because the stream ended without one. */
  readonly unterminated?: true;
}

/**
 * Cuts lines longer than `lineBytesMax`, never within a character. Long lines that are not UTF-8 are cut at a third of
 * that length: each invalid byte may become the three bytes of U+FFFD.
 *
 * The lines depend only on the bytes of the stream, not on its chunks.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /**
   * The first `#carried` bytes of this buffer are the partial line. They are a copy, because a view would keep a whole
   * chunk in memory.
   */
  #carry: Uint8Array = new Uint8Array(0);
  #carried = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The partial line, as a view that is valid until the next call. */
  get partialLine(): Uint8Array {
    return this.#carry.subarray(0, this.#carried);
  }

  /**
   * Copies the chunk and returns its whole lines. The last user of the pieces may release them with `releaseBuffer`.
   */
  push(chunk: Uint8Array): readonly Region[] {
    const bytes = this.#carried + chunk.length;
    if (bytes > this.#lineBytesMax / 3) return this.#pushLong(chunk);
    const end = chunk.lastIndexOf(newline) + 1;
    if (end === 0) return this.#carryOver(chunk);
    const whole = acquireBuffer(this.#carried + end);
    whole.set(this.partialLine);
    whole.set(chunk.subarray(0, end), this.#carried);
    this.#takeCarry();
    this.#carryOver(chunk.subarray(end));
    return wholeLines(whole);
  }

  /** Returns the unterminated last line, if there is one, with a newline added. */
  flush(): readonly Region[] {
    if (this.#carried === 0) return [];
    const regions = this.push(terminator);
    return regions.map((region, i) => (i === regions.length - 1 ? { ...region, unterminated: true } : region));
  }

  /**
   * Checks each line, because one may be too long. Joins bytes only when a line ends or is full, which takes linear
   * time.
   */
  #pushLong(chunk: Uint8Array): readonly Region[] {
    if (this.#carried + chunk.length <= this.#lineBytesMax && !chunk.includes(newline)) return this.#carryOver(chunk);
    const bytes = Buffer.concat([this.#takeCarry(), chunk]);
    const regions: Region[] = [];
    let from = 0;
    let start = 0;
    for (let end = this.#findEnd(bytes, start); end !== -1; end = this.#findEnd(bytes, start)) {
      if (bytes[end - 1] !== newline) {
        regions.push(...wholeLines(bytes.subarray(from, start)), {
          pieces: [bytes.subarray(start, end), terminator],
          lines: 1,
          bytes: end - start + 1,
          cut: true,
        });
        from = end;
      }
      start = end;
    }
    regions.push(...wholeLines(bytes.subarray(from, start)));
    this.#carryOver(bytes.subarray(start));
    return regions;
  }

  #findEnd(bytes: Uint8Array, start: number): number {
    const end = lineEnd(bytes, start, this.#lineBytesMax);
    if (end === -1 || contentBytes(bytes, start, end) * 3 <= this.#lineBytesMax || isUtf8(bytes.subarray(start, end)))
      return end;
    return start + characterStart(bytes.subarray(start, end), Math.floor(this.#lineBytesMax / 3));
  }

  /** Adds bytes to the partial line. Doubles the buffer, so a long line that arrives byte by byte takes linear time. */
  #carryOver(rest: Uint8Array): readonly Region[] {
    const bytes = this.#carried + rest.length;
    if (bytes > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#carried));
      larger.set(this.#carry.subarray(0, this.#carried));
      this.#carry = larger;
    }
    this.#carry.set(rest, this.#carried);
    this.#carried = bytes;
    return [];
  }

  /** Returns the partial line and gives its buffer to the caller. */
  #takeCarry(): Uint8Array {
    const taken = this.#carry.subarray(0, this.#carried);
    this.#carry = new Uint8Array(0);
    this.#carried = 0;
    return taken;
  }
}

function wholeLines(bytes: Uint8Array): readonly Region[] {
  if (bytes.length === 0) return [];
  const pieces = [bytes];
  return [{ pieces, lines: countLines(pieces), bytes: bytes.length }];
}
