// All event streams of the gateway: how many there may be, their heartbeat, and their end.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Limits } from '../../../protocol/limits.ts';
import type { Cursor } from '../../runs/log/position.ts';
import type { Watchable } from '../../runs/watchable.ts';
import type { Logger } from '../../support/logger.ts';
import { Stall, type SocketState } from '../../support/stall.ts';
import { Refusal } from '../refusal.ts';
import { EventStream } from './stream.ts';

export interface StreamsParts {
  readonly limits: () => Pick<Limits, 'streamsMax' | 'heartbeatMs' | 'writeStallMs' | 'socketBytesMax'>;
  /** False while the API is switched off: streams end then, as nothing under /api is told any more. */
  readonly on: () => boolean;
  readonly log: Logger;
}

/** How often streams are looked at. */
const beatMs = 1_000;

interface Open {
  readonly stream: EventStream;
  readonly response: ServerResponse;
  readonly stall: Stall;
}

export class EventStreams {
  readonly #parts: StreamsParts;
  readonly #open = new Set<Open>();
  #heart: NodeJS.Timeout | undefined;
  #stopping = false;
  #onEmpty: () => void = () => {};

  constructor(parts: StreamsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Waiting to be taken by their readers. */
  get waitingBytes(): number {
    return [...this.#open].reduce((sum, { response }) => sum + response.writableLength, 0);
  }

  /** Throws a Refusal when there is no room for one more, or the gateway is stopping. */
  checkRoom(): void {
    if (this.#stopping) throw new Refusal('stopping', 'the gateway is stopping', { 'Retry-After': '1' });
    const { streamsMax } = this.#parts.limits();
    if (this.#open.size >= streamsMax) throw new Refusal('not_ready', `too many event streams are open, at most ${streamsMax} can be`, { 'Retry-After': '1' });
  }

  /** Tells the run's log from `cursor` on as the body of `response`, whose head is ready. The run is only watched: it does not stay for that. */
  open(run: Watchable, cursor: Cursor, response: ServerResponse): void {
    // The client has gone meanwhile.
    if (response.socket === null || response.destroyed) return;
    const onError = (error: unknown): void => this.#parts.log.error({ run: run.id, err: error }, 'a log cannot be read');
    const stream = new EventStream(run, cursor, { sink: response, bytesMax: this.#parts.limits().socketBytesMax, onError });
    const open = { stream, response, stall: new Stall(response.socket as Socket & SocketState) };
    this.#open.add(open);
    response.on('error', () => {});
    response.on('close', () => this.#remove(open));
    this.#heart ??= this.#beatLater();
  }

  /** Opens no more. Those that are open go on to the end of their runs. */
  shutDown(): void {
    this.#stopping = true;
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
    if (!this.#parts.on()) stream.close();
    if (stall.at(now) > writeStallMs) response.destroy();
    else stream.beat(now, heartbeatMs);
  }
}
