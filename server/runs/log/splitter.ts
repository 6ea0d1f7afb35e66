// Bytes of one output stream in, regions of whole lines out; the unfinished line is carried over.

import { isUtf8 } from 'node:buffer';
import { countPieces } from './frames.ts';
import { characterStart, contentBytes, lineEnd, newline } from './lines.ts';
import { lend } from './pool.ts';

const terminator = Uint8Array.of(newline);

export interface Region {
  /** Whole lines, each ended by `\n`, in pieces that stand behind one another. */
  readonly pieces: readonly Uint8Array[];
  readonly lines: number;
  readonly bytes: number;
  /** Its one line is not at its end: it was longer than the bound, and the next line of the stream goes on with it. The `\n` is ours. */
  readonly cut?: true;
  /** The `\n` at its end is ours: the stream ended without one. */
  readonly unterminated?: true;
}

/**
 * Lines longer than `lineBytesMax` are cut, never inside a character. A long line that is not UTF-8 is cut at a third of that, because each
 * of its bytes may become the three of U+FFFD. The lines depend on the bytes alone, not on the chunks they come in.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** Its first `#carried` bytes are the unfinished line, copied: a slice would keep a whole chunk of the stream in memory. */
  #carry: Uint8Array = new Uint8Array(0);
  #carried = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The unfinished line; a view, good until the next call. */
  get unfinished(): Uint8Array {
    return this.#carry.subarray(0, this.#carried);
  }

  /** The chunk is copied. The pieces may be given back (`giveBack`) by whoever is the last to need them. */
  push(chunk: Uint8Array): readonly Region[] {
    const bytes = this.#carried + chunk.length;
    if (bytes > this.#lineBytesMax / 3) return this.#pushLong(chunk);
    const end = chunk.lastIndexOf(newline) + 1;
    if (end === 0) return this.#keep(chunk);
    const whole = lend(this.#carried + end);
    whole.set(this.unfinished);
    whole.set(chunk.subarray(0, end), this.#carried);
    this.#take();
    this.#keep(chunk.subarray(end));
    return wholeLines(whole);
  }

  /** The unterminated last line, if there is one. */
  flush(): readonly Region[] {
    if (this.#carried === 0) return [];
    const regions = this.push(terminator);
    return regions.map((region, i) => (i === regions.length - 1 ? { ...region, unterminated: true } : region));
  }

  /** Some line may be beyond the bound: look at each. Bytes are joined only when a line ends or is full, so this is linear in the stream. */
  #pushLong(chunk: Uint8Array): readonly Region[] {
    if (this.#carried + chunk.length <= this.#lineBytesMax && !chunk.includes(newline)) return this.#keep(chunk);
    const bytes = Buffer.concat([this.#take(), chunk]);
    const regions: Region[] = [];
    let from = 0;
    let start = 0;
    for (let end = this.#endOf(bytes, start); end !== -1; end = this.#endOf(bytes, start)) {
      if (bytes[end - 1] !== newline) {
        regions.push(...wholeLines(bytes.subarray(from, start)), { pieces: [bytes.subarray(start, end), terminator], lines: 1, bytes: end - start + 1, cut: true });
        from = end;
      }
      start = end;
    }
    regions.push(...wholeLines(bytes.subarray(from, start)));
    this.#keep(bytes.subarray(start));
    return regions;
  }

  #endOf(bytes: Uint8Array, start: number): number {
    const end = lineEnd(bytes, start, this.#lineBytesMax);
    if (end === -1 || contentBytes(bytes, start, end) * 3 <= this.#lineBytesMax || isUtf8(bytes.subarray(start, end))) return end;
    return start + characterStart(bytes.subarray(start, end), Math.floor(this.#lineBytesMax / 3));
  }

  /** Grows by doubling, so that a long line that comes byte by byte is still linear. */
  #keep(rest: Uint8Array): readonly Region[] {
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

  /** The carried bytes, which are the caller's from now on. */
  #take(): Uint8Array {
    const taken = this.#carry.subarray(0, this.#carried);
    this.#carry = new Uint8Array(0);
    this.#carried = 0;
    return taken;
  }
}

function wholeLines(bytes: Uint8Array): readonly Region[] {
  if (bytes.length === 0) return [];
  const pieces = [bytes];
  return [{ pieces, lines: countPieces(pieces), bytes: bytes.length }];
}
