// What a terminal prints, on its way into a log: repaired to valid UTF-8, its lines counted as those see them who want lines.

import { TextDecoder } from 'node:util';
import type { LineSplitter } from './splitter.ts';

export class TerminalText {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #splitter: LineSplitter;
  /** Where the line begins that is being written: bytes of the log before it. */
  lineByte: number;

  /** `splitter` has the unfinished line already, which began at `lineByte`. */
  constructor(splitter: LineSplitter, lineByte: number) {
    this.#splitter = splitter;
    this.lineByte = lineByte;
  }

  get unfinished(): Uint8Array {
    return this.#splitter.unfinished;
  }

  /** Characters that are whole by now. */
  decode(chunk: Uint8Array): Buffer {
    return Buffer.from(this.#decoder.decode(chunk, { stream: true }), 'utf8');
  }

  /** What was left of a character. */
  decodeRest(): Buffer {
    return Buffer.from(this.#decoder.decode(), 'utf8');
  }

  /** Lines that end in the bytes, which are stored next. They are not cut in the file, only counted as if they were. */
  count(bytes: Uint8Array): number {
    return this.#counted(this.#splitter.push(bytes));
  }

  /** An unterminated last line is a line. `byte` is where the log ends. */
  countRest(byte: number): number {
    const lines = this.#counted(this.#splitter.flush());
    this.lineByte = byte;
    return lines;
  }

  #counted(regions: ReturnType<LineSplitter['push']>): number {
    let lines = 0;
    for (const region of regions) {
      this.lineByte += region.cut ? region.bytes - 1 : region.bytes;
      lines += region.lines;
    }
    return lines;
  }
}
