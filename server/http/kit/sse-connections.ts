// Manages the open event-stream connections of one API: heartbeat and shutdown.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

export interface SseConnection {
  /** Called periodically. Sends a comment if the connection sent nothing else for `heartbeatMs`. */
  heartbeat(now: number, heartbeatMs: number): void;
  /** Ends the response. Idempotent. */
  close(): void;
}

export interface SseConnectionsDeps {
  readonly limits: () => { readonly heartbeatMs: number };
  /** While this returns false, connections end at their next check. */
  readonly isEnabled: () => boolean;
}

interface OpenConnection {
  readonly connection: SseConnection;
  readonly response: ServerResponse;
}

const checkIntervalMs = 1_000;

/** Makes proxies such as nginx pass events on at once. */
export const sseHeaders = { 'X-Accel-Buffering': 'no' };

/** Returns the id that a browser sends when it reconnects; empty if there is none. */
export function lastEventId(headers: IncomingHttpHeaders): string {
  const id = headers['last-event-id'];
  return typeof id === 'string' ? id : '';
}

export class SseConnections {
  readonly #deps: SseConnectionsDeps;
  readonly #open = new Set<OpenConnection>();
  #timer: NodeJS.Timeout | undefined;
  #onEmpty: () => void = () => {};

  constructor(deps: SseConnectionsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Bytes that the clients have not accepted yet. */
  get waitingBytes(): number {
    return [...this.#open].reduce((sum, { response }) => sum + response.writableLength, 0);
  }

  /**
   * Creates a connection on `response` and tracks it until the response closes. Does nothing if the client has already
   * disconnected.
   */
  open(response: ServerResponse, create: () => SseConnection): void {
    if (response.socket === null || response.destroyed) return;
    const open = { connection: create(), response };
    this.#open.add(open);
    response.on('error', () => {});
    response.on('close', () => this.#remove(open));
    this.#timer ??= this.#scheduleCheck();
  }

  /** Resolves when no connection is open. */
  async empty(): Promise<void> {
    if (this.#open.size > 0)
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
  }

  /** Cuts off all connections. Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
    for (const { response } of this.#open) response.destroy();
  }

  #remove(open: OpenConnection): void {
    open.connection.close();
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#onEmpty();
  }

  #scheduleCheck(): NodeJS.Timeout {
    const delayMs = Math.min(checkIntervalMs, this.#deps.limits().heartbeatMs);
    return setTimeout(() => {
      for (const open of this.#open) this.#check(open, performance.now());
      if (this.#open.size > 0) this.#timer = this.#scheduleCheck();
    }, delayMs).unref();
  }

  #check({ connection }: OpenConnection, now: number): void {
    if (!this.#deps.isEnabled()) connection.close();
    connection.heartbeat(now, this.#deps.limits().heartbeatMs);
  }
}
