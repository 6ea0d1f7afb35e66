// With an init in the container the engine's start succeeds although there is no such command: the init says so on stderr, and exits.

import type { Output, OutputStream } from '../../calls/contract/ports.ts';

const headBytesMax = 1 << 10;

/** The run's output, overheard: keeps the first words on stderr. */
export class StartFailure implements Pick<Output, 'write' | 'full' | 'drained'> {
  readonly #output: Output;
  #head = Buffer.alloc(0);
  #said = false;

  constructor(output: Output) {
    this.#output = output;
  }

  write(stream: OutputStream, chunk: Uint8Array): void {
    if (stream === 'stdout') this.#said = true;
    else if (this.#head.length < headBytesMax) this.#head = Buffer.concat([this.#head, chunk.subarray(0, headBytesMax)]);
    this.#output.write(stream, chunk);
  }

  get full(): boolean {
    return this.#output.full;
  }

  drained(): Promise<void> {
    return this.#output.drained();
  }

  /** Why the command could not be started; undefined when it was. 126 and 127 alone may be the work's own. */
  reason(exitCode: number | undefined): string | undefined {
    if (this.#said || (exitCode !== 126 && exitCode !== 127)) return undefined;
    return /^\[FATAL tini \(\d+\)\] (exec .* failed: .*)\n$/.exec(this.#head.toString())?.[1];
  }
}
