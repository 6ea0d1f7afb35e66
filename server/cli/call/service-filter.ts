// Hides the lines of services. If the user asks for these lines, shows them, and hides the copies that a failed job
// prints.

import type { RunEvent } from '../../../protocol/messages.ts';

/** A failed job repeats at most this much of the output of a service. */
const repeatedCharsMax = 16 << 10;

export class ServiceFilter {
  readonly #showsServices: boolean;
  /** The last lines that were shown of each service. */
  readonly #passed = new Map<string, LastLines>();
  /** The service that prints the current lines. */
  #service: string | undefined;
  /** Lines that were shown before; set while a job repeats the output of a service. */
  #repeated: ReadonlySet<string> | undefined;

  constructor(showsServices: boolean) {
    this.#showsServices = showsServices;
  }

  /** Remembers the source of the next lines if this is a `stream` event; ignores all other events. */
  onEvent({ type, job, service, repeats }: Pick<RunEvent, 'type'> & { readonly [fact: string]: unknown }): void {
    if (type !== 'stream') return;
    this.#service = service === undefined ? undefined : JSON.stringify([job, service]);
    this.#repeated = repeats === undefined ? undefined : this.#passed.get(JSON.stringify([job, repeats]))?.toSet();
  }

  /** Returns true if the line is to be hidden. */
  hides(line: string): boolean {
    if (this.#service === undefined) return this.#repeated?.has(line) === true;
    if (!this.#showsServices) return true;
    const passed = this.#passed.get(this.#service) ?? new LastLines();
    this.#passed.set(this.#service, passed);
    passed.add(line);
    return false;
  }
}

class LastLines {
  readonly #lines: string[] = [];
  #chars = 0;

  add(line: string): void {
    this.#lines.push(line);
    this.#chars += line.length + 1;
    while (this.#chars > repeatedCharsMax) this.#chars -= this.#lines.shift()!.length + 1;
  }

  toSet(): ReadonlySet<string> {
    return new Set(this.#lines);
  }
}
