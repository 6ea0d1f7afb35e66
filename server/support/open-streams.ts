// The event streams that are open at one place: their heartbeat, an end for those that take nothing, and the end of all.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Stall, type SocketState } from './stall.ts';

export interface OneStream {
  /** To be called every now and then: tells that it lives when nothing else was told for `heartbeatMs`. */
  beat(now: number, heartbeatMs: number): void;
  close(): void;
}

export interface OpenStreamsParts {
  readonly limits: () => { readonly heartbeatMs: number; readonly writeStallMs: number };
  /** False: streams end at their next beat. */
  readonly on: () => boolean;
}

interface Open {
  readonly stream: OneStream;
  readonly response: ServerResponse;
  readonly stall: Stall;
}

/** How often streams are looked at. */
const beatMs = 1_000;

export class OpenStreams {
  readonly #parts: OpenStreamsParts;
  readonly #open = new Set<Open>();
  #heart: NodeJS.Timeout | undefined;
  #onEmpty: () => void = () => {};

  constructor(parts: OpenStreamsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Waiting to be taken by their readers. */
  get waitingBytes(): number {
    return [...this.#open].reduce((sum, { response }) => sum + response.writableLength, 0);
  }

  /** Makes a stream of `response`, and looks after it until that is closed; unless its reader has gone meanwhile. */
  open(response: ServerResponse, make: () => OneStream): void {
    if (response.socket === null || response.destroyed) return;
    const open = { stream: make(), response, stall: new Stall(response.socket as Socket & SocketState) };
    this.#open.add(open);
    response.on('error', () => {});
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
    if (!this.#parts.on()) stream.close();
    if (stall.at(now) > writeStallMs) response.destroy();
    else stream.beat(now, heartbeatMs);
  }
}
