// One connection after another to the same gateway: when one is lost, the next is made after a random wait that grows.

import { encodeJson } from './codec.ts';
import type { LinkOptions, ReconnectOptions, Socket } from './client-types.ts';

export const clientSubprotocol = 'distillery.v2';

export interface LinkNews {
  /** There is a connection; what is returned is said first. */
  hello(): object;
  heard(data: unknown): void;
  /** The connection is lost and is made again after `inMs`. */
  waiting(inMs: number, attempt: number): void;
  /** The connection is lost for good, or was never there: `said` is whether `hello` was ever sent. Nothing is heard any more. */
  over(trouble: string, said: boolean): void;
}

/** A new connection that is neither there nor refused after this time is given up; the first one is left to the socket. */
const attemptMs = 10_000;

const usual = { forMs: 60_000, delayMs: 250, delayMaxMs: 5_000, first: false } satisfies ReconnectOptions;

export class Link {
  readonly #options: LinkOptions;
  readonly #news: LinkNews;
  readonly #reconnect: Required<ReconnectOptions> | undefined;
  #socket: Socket | undefined;
  #phase: 'connecting' | 'open' | 'waiting' | 'closed' = 'connecting';
  #said = false;
  #paused = false;
  #trouble = '';
  #attempt = 0;
  #lostAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Connects. Throws what the socket's constructor throws. */
  constructor(options: LinkOptions, news: LinkNews) {
    this.#options = options;
    this.#news = news;
    this.#reconnect = options.reconnect === false ? undefined : { ...usual, ...options.reconnect };
    this.#connect();
  }

  /** Whether anything was ever sent. */
  get said(): boolean {
    return this.#said;
  }

  /** A control message, or text. What is said while there is no connection is dropped. */
  say(message: object | string): void {
    if (this.#phase === 'open') this.#socket?.send(typeof message === 'string' ? message : encodeJson(message));
  }

  /** The other side lives: the next loss is a first one again. */
  thrives(): void {
    this.#attempt = 0;
    this.#lostAt = undefined;
    this.#trouble = '';
  }

  flow(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#socket?.pause?.(); else this.#socket?.resume?.();
  }

  /** For good. Safe twice. */
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
    socket.addEventListener('open', () => { if (current()) this.#opened(); });
    socket.addEventListener('message', ({ data }) => { if (current()) this.#news.heard(data); });
    socket.addEventListener('error', (event) => { if (current()) this.#trouble = textOf(event, 'message') || this.#trouble; });
    socket.addEventListener('close', (event) => { if (current()) this.#lost(`close code ${textOf(event, 'code') || 'unknown'}`); });
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#phase = 'open';
    this.#said = true;
    if (this.#paused) this.#socket?.pause?.();
    this.say(this.#news.hello());
  }

  #lost(how: string): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    const trouble = this.#trouble || how;
    const wait = this.#nextWait();
    if (wait === undefined) {
      this.#phase = 'closed';
      return this.#news.over(trouble, this.#said);
    }
    this.#phase = 'waiting';
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#again(), wait);
    this.#news.waiting(wait, this.#attempt);
  }

  /** Undefined: it is not tried again. A full jitter: clients that were lost together do not come back together. */
  #nextWait(): number | undefined {
    if (this.#reconnect === undefined || !(this.#said || this.#reconnect.first)) return undefined;
    const { forMs, delayMs, delayMaxMs } = this.#reconnect;
    this.#lostAt ??= performance.now();
    const left = this.#lostAt + forMs - performance.now();
    if (left <= 0) return undefined;
    return Math.ceil(Math.min(left, Math.random() * Math.min(delayMaxMs, delayMs * 2 ** this.#attempt)));
  }

  #again(): void {
    this.#connect();
    const socket = this.#socket;
    this.#timer = setTimeout(() => {
      if (this.#phase !== 'connecting') return;
      this.#lost(`no connection within ${attemptMs / 1_000} s`);
      socket?.close();
    }, attemptMs);
  }
}

function textOf(event: object, key: string): string {
  const value = (event as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
