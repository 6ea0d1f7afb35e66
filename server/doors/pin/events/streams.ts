// All event streams of the door: how many there may be, their heartbeat, and their end.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Stall, type SocketState } from '../../../support/stall.ts';
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

/** How often streams are looked at. */
const beatMs = 1_000;

interface Open {
  readonly stream: PinStream;
  readonly response: ServerResponse;
  readonly stall: Stall;
}

export class PinStreams {
  readonly #parts: StreamsParts;
  readonly #open = new Set<Open>();
  #heart: NodeJS.Timeout | undefined;
  #clients = 0;
  #onEmpty: () => void = () => {};

  constructor(parts: StreamsParts) {
    this.#parts = parts;
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
    // The client has gone meanwhile.
    if (response.socket === null || response.destroyed) return;
    const { journal, limits, log } = this.#parts;
    const held = opening.wish.run === undefined ? this.#parts.held() : undefined;
    const stream = new PinStream(journal, {
      ...opening, sink: response, client: `client_${(this.#clients += 1)}`, bytesMax: limits().socketBytesMax,
      ...(held !== undefined && { held }), onError: (error) => log.error({ err: error }, 'events of the pin door cannot be read'),
    });
    const open = { stream, response, stall: new Stall(response.socket as Socket & SocketState) };
    this.#open.add(open);
    response.on('close', () => this.#remove(open));
    this.#heart ??= this.#beatLater();
  }

  /** Resolves when no stream is open. */
  async empty(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => { this.#onEmpty = resolve; });
  }

  /** Cuts off those that are still open. */
  close(): void {
    clearTimeout(this.#heart);
    for (const { response } of this.#open) response.destroy();
  }

  #remove(open: Open): void {
    open.stream.close();
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearTimeout(this.#heart);
    this.#heart = undefined;
    this.#onEmpty();
  }

  #beatLater(): NodeJS.Timeout {
    const { heartbeatMs, writeStallMs } = this.#parts.limits();
    return setTimeout(() => {
      for (const open of this.#open) this.#beat(open, performance.now());
      if (this.#open.size > 0) this.#heart = this.#beatLater();
    }, Math.min(beatMs, heartbeatMs, writeStallMs / 2)).unref();
  }

  #beat({ stream, response, stall }: Open, now: number): void {
    const { heartbeatMs, writeStallMs } = this.#parts.limits();
    if (stall.at(now) > writeStallMs) response.destroy();
    else stream.beat(now, heartbeatMs);
  }
}
