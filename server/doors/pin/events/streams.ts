// All event streams of the door: how many there may be, and what each tells.

import type { ServerResponse } from 'node:http';
import { OpenStreams } from '../../../support/open-streams.ts';
import type { Logger } from '../../../support/logger.ts';
import type { PinLimits } from '../parts.ts';
import { PinRefusal } from '../refusal.ts';
import type { PinEvent } from './event.ts';
import type { Journal } from './journal.ts';
import { PinStream, type StreamOptions } from './stream.ts';

export interface StreamsParts {
  readonly journal: Journal;
  readonly limits: () => PinLimits;
  /** Told to those who begin now. */
  readonly held: () => PinEvent | undefined;
  readonly log: Logger;
}

export type Opening = Pick<StreamOptions, 'start' | 'wish' | 'until'>;

export class PinStreams {
  readonly #parts: StreamsParts;
  readonly #open: OpenStreams;
  #clients = 0;

  constructor(parts: StreamsParts) {
    this.#parts = parts;
    this.#open = new OpenStreams({ limits: parts.limits, on: () => true });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Throws a PinRefusal when there is no room for one more. */
  checkRoom(): void {
    const { streamsMax } = this.#parts.limits();
    if (this.#open.size < streamsMax) return;
    throw new PinRefusal('not_ready', `too many event streams are open, at most ${streamsMax} can be`, { headers: { 'Retry-After': '1' } });
  }

  /** The body of `response`, whose head has been written. */
  open(opening: Opening, response: ServerResponse): void {
    const { journal, limits, log } = this.#parts;
    this.#open.open(response, () => {
      const held = opening.wish.run === undefined ? this.#parts.held() : undefined;
      return new PinStream(journal, {
        ...opening, sink: response, client: `client_${(this.#clients += 1)}`, bytesMax: limits().socketBytesMax,
        ...(held !== undefined && { held }), onError: (error) => log.error({ err: error }, 'events of the pin door cannot be read'),
      });
    });
  }

  /** Resolves when no stream is open. */
  empty(): Promise<void> {
    return this.#open.empty();
  }

  /** Cuts off those that are still open. */
  close(): void {
    this.#open.close();
  }
}
