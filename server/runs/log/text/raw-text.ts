// Prepares raw output for a log: repairs that of a terminal to valid UTF-8, and counts its lines as watchers of lines
// see them.

import { TextDecoder } from 'node:util';
import { characterStart } from './line-boundaries.ts';
import type { LineSplitter } from './line-splitter.ts';

export class RawText {
  /** Undefined: the output is stored unchanged. */
  readonly #decoder: TextDecoder | undefined;
  readonly #splitter: LineSplitter;
  /** Number of bytes in the log before the current line. */
  lineByte: number;

  /** `splitter` already holds the partial line, which began at `lineByte`. */
  constructor(splitter: LineSplitter, { lineByte, exact }: { readonly lineByte: number; readonly exact: boolean }) {
    this.#decoder = exact ? undefined : new TextDecoder('utf-8', { ignoreBOM: true });
    this.#splitter = splitter;
    this.lineByte = lineByte;
  }

  get partialLine(): Uint8Array {
    return this.#splitter.partialLine;
  }

  /** Returns a copy of the chunk. For a terminal, repairs it, and buffers an incomplete character at its end. */
  decode(chunk: Uint8Array): Buffer {
    if (this.#decoder === undefined) return Buffer.from(chunk);
    return Buffer.from(this.#decoder.decode(chunk, { stream: true }), 'utf8');
  }

  /** Returns the remains of an incomplete character, as U+FFFD. */
  flushDecoder(): Buffer {
    return Buffer.from(this.#decoder?.decode() ?? '', 'utf8');
  }

  /** Returns where the bytes can be cut, at most at `max`. Never splits a character, except in an exact log. */
  cut(bytes: Uint8Array, max: number): number {
    return this.#decoder === undefined ? Math.min(max, bytes.length) : characterStart(bytes, max);
  }

  /**
   * Counts the lines that end in these bytes. Long lines count as if they were cut, but the file contains them uncut.
   */
  countLines(bytes: Uint8Array): number {
    return this.#countRegions(this.#splitter.push(bytes));
  }

  /** Counts an unterminated last line. `byte` is the end of the log. */
  countFinalLine(byte: number): number {
    const lines = this.#countRegions(this.#splitter.flush());
    this.lineByte = byte;
    return lines;
  }

  #countRegions(regions: ReturnType<LineSplitter['push']>): number {
    let lines = 0;
    for (const region of regions) {
      this.lineByte += region.cut ? region.bytes - 1 : region.bytes;
      lines += region.lines;
    }
    return lines;
  }
}
