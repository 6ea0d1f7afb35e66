// Bytes of one output stream in, regions of whole lines out; the unfinished line is carried over.

import { isUtf8 } from 'node:buffer';
import { countLines } from './frames.ts';

const newline = Buffer.from('\n');
const newlineByte = 0x0a;

/** Up to this size the unfinished line is copied, so that it does not keep a whole chunk of the stream in memory. */
const copyBelow = 4096;

export interface Region {
  /** Whole lines, each ended by `\n`, in pieces that stand behind one another. */
  readonly pieces: readonly Uint8Array[];
  readonly lines: number;
  readonly bytes: number;
  /** Its last line is not at its end: it was longer than the bound, and the next line of the stream goes on with it. */
  readonly cut?: true;
  /** The `\n` at its end is ours: the stream ended without one. */
  readonly unterminated?: true;
}

/**
 * Lines longer than `lineBytesMax` are cut, never inside a character. A long line that is not UTF-8 is cut at a third of that, because each
 * of its bytes may become the three of U+FFFD.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #carry: Uint8Array[] = [];
  #carryBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  push(chunk: Uint8Array): readonly Region[] {
    if (this.#carryBytes + chunk.length > this.#lineBytesMax / 3) return this.#pushLong(chunk);
    const last = chunk.lastIndexOf(newlineByte);
    if (last === -1) {
      this.#keep(chunk);
      return [];
    }
    const whole = chunk.subarray(0, last + 1);
    const region = { pieces: [...this.#carry, whole], lines: countLines(whole), bytes: this.#carryBytes + whole.length };
    this.#carry = [];
    this.#carryBytes = 0;
    this.#keep(chunk.subarray(last + 1));
    return [region];
  }

  /** The unterminated last line, if there is one; the `\n` that ends it is ours. */
  flush(): readonly Region[] {
    if (this.#carryBytes === 0) return [];
    const regions = this.push(newline);
    return regions.map((region, i) => (i === regions.length - 1 ? { ...region, unterminated: true } : region));
  }

  #keep(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#carry.push(rest.length < copyBelow ? Uint8Array.from(rest) : rest);
    this.#carryBytes += rest.length;
  }

  /** Some line may be beyond the bound: look at each. Chunks are joined only when a line ends or is full, so this is linear in the stream. */
  #pushLong(chunk: Uint8Array): readonly Region[] {
    if (this.#carryBytes + chunk.length <= this.#lineBytesMax && !chunk.includes(newlineByte)) {
      this.#keep(chunk);
      return [];
    }
    let rest: Uint8Array = this.#carryBytes === 0 ? chunk : Buffer.concat([...this.#carry, chunk]);
    this.#carry = [];
    this.#carryBytes = 0;
    const regions: Region[] = [];
    for (;;) {
      const end = this.#wholeLines(rest);
      if (end > 0) regions.push({ pieces: [rest.subarray(0, end)], lines: countLines(rest.subarray(0, end)), bytes: end });
      rest = rest.subarray(end);
      const cut = this.#cutAt(rest);
      if (cut === 0) break;
      regions.push({ pieces: [rest.subarray(0, cut), newline], lines: 1, bytes: cut + 1, cut: true });
      rest = rest.subarray(cut);
    }
    this.#keep(rest);
    return regions;
  }

  /** How many bytes from the start are whole lines that need no cut. */
  #wholeLines(bytes: Uint8Array): number {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(newlineByte, start);
      if (end === -1 || this.#tooLong(bytes.subarray(start, end))) return start;
      start = end + 1;
    }
  }

  #tooLong(line: Uint8Array): boolean {
    if (line.length > this.#lineBytesMax) return true;
    return line.length * 3 > this.#lineBytesMax && !isUtf8(line);
  }

  /**
   * Where to cut the line at the start of `bytes`; 0 when it need not be cut, or not yet. Depends on the line alone, not on the chunks it
   * came in.
   */
  #cutAt(bytes: Uint8Array): number {
    const end = bytes.indexOf(newlineByte);
    const line = end === -1 ? bytes : bytes.subarray(0, end);
    if (line.length > this.#lineBytesMax) {
      const cut = characterStart(line, this.#lineBytesMax);
      return isUtf8(line.subarray(0, cut)) ? cut : this.#third(line);
    }
    return end !== -1 && this.#tooLong(line) ? this.#third(line) : 0;
  }

  #third(line: Uint8Array): number {
    return Math.max(1, characterStart(line, Math.floor(this.#lineBytesMax / 3)));
  }
}

/** The last place not after `at` where a UTF-8 character may start; `at` itself in bytes that are not UTF-8. */
function characterStart(bytes: Uint8Array, at: number): number {
  for (let back = 0; back < 4 && back < at; back++) {
    if ((bytes[at - back]! & 0xc0) !== 0x80) return at - back;
  }
  return at;
}
