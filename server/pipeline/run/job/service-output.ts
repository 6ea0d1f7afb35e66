// Writes the output of a service to the service's own part of the log, up to a limit. Buffers the end of the output to
// show it after a failure.

import type { Output, OutputStream } from '../../../../calls/contract/ports.ts';
import { OutputTail } from './output-tail.ts';

export interface ServiceOutputOptions {
  /** Maximum number of bytes that the log receives. */
  readonly bytesMax: number;
  /** Called once, when the output exceeds `bytesMax`. */
  readonly onExceeded: () => void;
}

export class ServiceOutput implements Output {
  readonly #log: Output;
  readonly #options: ServiceOutputOptions;
  /** Also contains output beyond the limit, which the log does not store. */
  readonly #tail = new OutputTail();
  #bytes = 0;
  #exceeded = false;

  /** `log` is the service's own part of the log. */
  constructor(log: Output, options: ServiceOutputOptions) {
    this.#log = log;
    this.#options = options;
  }

  get full(): boolean {
    return this.#log.full;
  }

  write(stream: OutputStream, chunk: Uint8Array): void {
    this.#tail.write(stream, chunk);
    const stored = chunk.subarray(0, this.#options.bytesMax - this.#bytes);
    this.#bytes += stored.length;
    if (stored.length > 0) this.#log.write(stream, stored);
    if (stored.length === chunk.length || this.#exceeded) return;
    this.#exceeded = true;
    this.#options.onExceeded();
  }

  drained(): Promise<void> {
    return this.#log.drained();
  }

  end(stream: OutputStream): void {
    this.#log.end(stream);
  }

  part(): Output {
    return this;
  }

  /**
   * Writes the last lines of a failed service to the output of its job. Marks lines as repeated if the service's own
   * part of the log already contains them.
   */
  flushTailTo(job: Output, service: string): void {
    const [stored, rest] = this.#tail.lines(this.#bytes);
    if (stored.length > 0) {
      const repeated = job.part(service, { repeated: true });
      repeated.write('stderr', stored);
      repeated.end('stderr');
    }
    if (rest.length > 0) job.write('stderr', rest);
  }
}
