// All event streams of runs: how many there may be, and what each tells.

import type { ServerResponse } from 'node:http';
import type { Limits } from '../../../protocol/limits.ts';
import type { Cursor } from '../../runs/log/position.ts';
import type { Watchable } from '../../runs/watchable.ts';
import type { Logger } from '../../support/logger.ts';
import { OpenStreams } from '../../support/open-streams.ts';
import { Refusal } from '../refusal.ts';
import { EventStream } from './stream.ts';

export interface StreamsParts {
  readonly limits: () => Pick<Limits, 'streamsMax' | 'heartbeatMs' | 'writeStallMs' | 'socketBytesMax'>;
  /** False while the API is switched off: streams end then, as nothing under /api is told any more. */
  readonly on: () => boolean;
  readonly log: Logger;
}

export class EventStreams {
  readonly #parts: StreamsParts;
  readonly #open: OpenStreams;
  #stopping = false;

  constructor(parts: StreamsParts) {
    this.#parts = parts;
    this.#open = new OpenStreams(parts);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Waiting to be taken by their readers. */
  get waitingBytes(): number {
    return this.#open.waitingBytes;
  }

  /** Throws a Refusal when there is no room for one more, or the gateway is stopping. */
  checkRoom(): void {
    if (this.#stopping) throw new Refusal('stopping', 'the gateway is stopping', { 'Retry-After': '1' });
    const { streamsMax } = this.#parts.limits();
    if (this.#open.size >= streamsMax) throw new Refusal('not_ready', `too many event streams are open, at most ${streamsMax} can be`, { 'Retry-After': '1' });
  }

  /** Tells the run's log from `cursor` on as the body of `response`, whose head is ready. The run is only watched: it does not stay for that. */
  open(run: Watchable, cursor: Cursor, response: ServerResponse): void {
    const onError = (error: unknown): void => this.#parts.log.error({ run: run.id, err: error }, 'a log cannot be read');
    this.#open.open(response, () => new EventStream(run, cursor, { sink: response, bytesMax: this.#parts.limits().socketBytesMax, onError }));
  }

  /** Opens no more. Those that are open go on to the end of their runs. */
  shutDown(): void {
    this.#stopping = true;
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
