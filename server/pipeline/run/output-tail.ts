// The last of what something printed, for the case that it is asked for: services print for nobody as long as all is well.

import type { Output, OutputStream } from '../../../calls/contract/ports.ts';

const tailBytesMax = 16 << 10;

export class OutputTail implements Output {
  readonly full = false;
  #tail = Buffer.alloc(0);

  write(_stream: OutputStream, chunk: Uint8Array): void {
    const all = Buffer.concat([this.#tail, chunk.subarray(Math.max(0, chunk.length - tailBytesMax))]);
    this.#tail = all.subarray(Math.max(0, all.length - tailBytesMax));
  }

  async drained(): Promise<void> {}

  end(): void {}

  part(): Output {
    return this;
  }

  /** Writes it as stderr, whole lines where some were cut off. */
  tellTo(output: Output): void {
    const from = this.#tail.length < tailBytesMax ? 0 : this.#tail.indexOf('\n') + 1;
    const text = this.#tail.subarray(from);
    if (text.length === 0) return;
    output.write('stderr', text);
    if (text.at(-1) !== 0x0a) output.write('stderr', Buffer.from('\n'));
  }
}
