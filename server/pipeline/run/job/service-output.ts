// Output of a service: goes to the service's own part of the log up to a limit, and its end is kept for a failure.

import type { Output, OutputStream } from '../../../../calls/contract/ports.ts';
import { OutputTail } from './output-tail.ts';

export interface ServiceOutputOptions {
  /** Number of bytes that the log receives. */
  readonly bytesMax: number;
  /** Called once, when the output exceeds `bytesMax`. */
  readonly onExceeded: () => void;
}

export class ServiceOutput implements Output {
  readonly #log: Output;
  readonly #options: ServiceOutputOptions;
  /** Also has what the limit keeps out of the log. */
  readonly #tail = new OutputTail();
  #bytes = 0;
  #exceeded = false;

  /** `log` is the part of the service. */
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
   * Writes the last lines to the output of the job, because the service has failed. Lines that the log already has as
   * those of the service are marked as repeated.
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
