// Buffers the last output of a container, to show it after a failure.

import type { Output, OutputStream } from '../../../../calls/contract/ports.ts';

const tailBytesMax = 16 << 10;
const newline = 0x0a;
const lastLineCharsMax = 200;

export class OutputTail implements Output {
  readonly full = false;
  #tail = Buffer.alloc(0);
  #bytes = 0;

  write(_stream: OutputStream, chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    const all = Buffer.concat([this.#tail, chunk.subarray(Math.max(0, chunk.length - tailBytesMax))]);
    this.#tail = all.subarray(Math.max(0, all.length - tailBytesMax));
  }

  async drained(): Promise<void> {}

  end(): void {}

  part(): Output {
    return this;
  }

  /** Returns the last line that is not empty, shortened; empty if there is none. */
  lastLine(): string {
    const lines = this.#tail.toString().split('\n');
    return (lines.findLast((line) => line.trim() !== '') ?? '').trim().slice(0, lastLineCharsMax);
  }

  /**
   * Returns the buffered output as whole lines, in two buffers: lines that end within the first `bytes` of all output,
   * and later lines. Omits an incomplete first line.
   */
  lines(bytes: number): readonly [Buffer, Buffer] {
    const tail = this.#tail;
    const droppedBytes = this.#bytes - tail.length;
    const start = droppedBytes === 0 ? 0 : tail.indexOf(newline) + 1;
    const isEnded = tail.length === 0 || tail.at(-1) === newline;
    const text = isEnded ? tail : Buffer.concat([tail, Buffer.of(newline)]);
    const within = Math.max(0, bytes - droppedBytes);
    const end = within >= tail.length ? text.length : tail.subarray(0, within).lastIndexOf(newline) + 1;
    const split = Math.max(start, end);
    return [text.subarray(start, split), text.subarray(split)];
  }
}
