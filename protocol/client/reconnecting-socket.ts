// A websocket that reconnects to the same gateway, with random and growing delays between attempts.

import { encodeJson } from '../codec.ts';
import { encodeDataFrame } from '../data-frame.ts';
import type { ConnectionOptions, ReconnectOptions, Socket } from './types.ts';

export const clientSubprotocol = 'distillery.v2';

export interface SocketHandlers {
  /** Called for each new connection; the returned message is sent first. */
  onOpen(): object;
  onMessage(data: unknown): void;
  /** Called after the connection was lost. The next attempt follows after `inMs`. */
  onReconnecting(inMs: number, attempt: number): void;
  /**
   * Called when no further attempt follows; no handler is called after this one. `hasSent` is false if nothing was ever
   * sent.
   */
  onGiveUp(error: string, hasSent: boolean): void;
}

/** Time after which a reconnect attempt counts as failed. The first connection has no such limit. */
const attemptTimeoutMs = 10_000;

const defaultReconnect = { forMs: 60_000, delayMs: 250, delayMaxMs: 5_000, first: false } satisfies ReconnectOptions;

export class ReconnectingSocket {
  readonly #options: ConnectionOptions;
  readonly #handlers: SocketHandlers;
  readonly #reconnect: Required<ReconnectOptions> | undefined;
  #socket: Socket | undefined;
  #phase: 'connecting' | 'open' | 'waiting' | 'closed' = 'connecting';
  #hasSent = false;
  #paused = false;
  #lastError = '';
  #attempt = 0;
  #disconnectedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Connects. Throws the error of the socket constructor. */
  constructor(options: ConnectionOptions, handlers: SocketHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#reconnect = options.reconnect === false ? undefined : { ...defaultReconnect, ...options.reconnect };
    this.#connect();
  }

  /** True once any message was sent. */
  get hasSent(): boolean {
    return this.#hasSent;
  }

  /** Sends a control message, a text or bytes. Drops it while there is no connection. */
  send(message: object | string | Uint8Array): void {
    if (this.#phase === 'open') this.#socket?.send(encode(message));
  }

  /** Resets the retry delay: the gateway has answered, so the next loss counts as the first. */
  markHealthy(): void {
    this.#attempt = 0;
    this.#disconnectedAt = undefined;
    this.#lastError = '';
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#socket?.pause?.();
    else this.#socket?.resume?.();
  }

  /** Closes for good. Idempotent. */
  close(): void {
    this.#phase = 'closed';
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect(): void {
    this.#phase = 'connecting';
    const socket = new this.#options.socket(this.#options.url, [clientSubprotocol]);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const current = (): boolean => this.#socket === socket && this.#phase !== 'closed';
    socket.addEventListener('open', () => {
      if (current()) this.#onOpen();
    });
    socket.addEventListener('message', ({ data }) => {
      if (current()) this.#handlers.onMessage(data);
    });
    socket.addEventListener('error', (event) => {
      if (current()) this.#lastError = eventField(event, 'message') || this.#lastError;
    });
    socket.addEventListener('close', (event) => {
      if (current()) this.#onClose(`close code ${eventField(event, 'code') || 'unknown'}`);
    });
  }

  #onOpen(): void {
    clearTimeout(this.#timer);
    this.#phase = 'open';
    this.#hasSent = true;
    if (this.#paused) this.#socket?.pause?.();
    this.send(this.#handlers.onOpen());
  }

  #onClose(closeText: string): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    const error = this.#lastError || closeText;
    const delayMs = this.#nextDelayMs();
    if (delayMs === undefined) {
      this.#phase = 'closed';
      return this.#handlers.onGiveUp(error, this.#hasSent);
    }
    this.#phase = 'waiting';
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connectAgain(), delayMs);
    this.#handlers.onReconnecting(delayMs, this.#attempt);
  }

  /**
   * Returns the delay before the next attempt; undefined if no attempt follows. The delay is random between zero and a
   * growing maximum, so that clients that lost their connection together do not return together.
   */
  #nextDelayMs(): number | undefined {
    if (this.#reconnect === undefined || !(this.#hasSent || this.#reconnect.first)) return undefined;
    const { forMs, delayMs, delayMaxMs } = this.#reconnect;
    this.#disconnectedAt ??= performance.now();
    const leftMs = this.#disconnectedAt + forMs - performance.now();
    if (leftMs <= 0) return undefined;
    return Math.ceil(Math.min(leftMs, Math.random() * Math.min(delayMaxMs, delayMs * 2 ** this.#attempt)));
  }

  #connectAgain(): void {
    this.#connect();
    const socket = this.#socket;
    this.#timer = setTimeout(() => {
      if (this.#phase !== 'connecting') return;
      this.#onClose(`no connection within ${attemptTimeoutMs / 1_000} s`);
      socket?.close();
    }, attemptTimeoutMs);
  }
}

function encode(message: object | string | Uint8Array): string | Uint8Array<ArrayBuffer> {
  if (typeof message === 'string') return message;
  return message instanceof Uint8Array ? encodeDataFrame(message) : encodeJson(message);
}

function eventField(event: object, key: string): string {
  const value = (event as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
