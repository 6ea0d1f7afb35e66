// The client: opens a call over a websocket (dialect distillery.v2), feeds it, stops it, and tells how it ended.
// The same file serves browsers and Node; it depends on nothing, the socket's constructor is handed in.

import { ClientInput, utf8Length } from './client-input.ts';
import { decodeJson, encodeJson, isObject } from './codec.ts';
import type { Result, RunAnnouncement, RunEvent, TerminalSize } from './messages.ts';
import { outcomes } from './record.ts';
import type { Outcome } from './record.ts';

/**
 * Connects to `url` and starts the call. Never throws for what the network or the gateway does: that is in `result`.
 * Throws what the socket's constructor throws (a SyntaxError for an address that is none).
 */
export function openCall(options: CallOptions): OpenCall {
  return new ClientCall(options);
}

export interface CallOptions {
  /** Of the websocket endpoint; `endpoint()` makes it from the gateway's address. */
  readonly url: string;
  /** The browser's `WebSocket`, or that of the `ws` package. */
  readonly socket: SocketConstructor;
  readonly call: string;
  readonly params?: readonly string[];
  /** Size of the caller's terminal, for calls that open one. */
  readonly terminal?: TerminalSize;
  /** Aborting it is `cancel()`, once. */
  readonly signal?: AbortSignal;
  /**
   * Gets everything the run says, in order, and all of it before `result` settles. While a returned promise is pending nothing more is handed
   * over. What it throws cancels the run and becomes the rejection of `result`.
   */
  readonly onItem?: (item: Item) => void | Promise<void>;
  /** Bytes, roughly, that are kept for a slow `onItem` before the socket is paused, where it can be. 32 MiB when absent. */
  readonly unreadBytesMax?: number;
}

/** What a run says. More kinds may come; ignore those you do not know. */
export type Item =
  | { readonly line: string }
  | { readonly chunk: string }
  | { readonly event: RunEvent }
  | RunAnnouncement;

/** How it ended. What is not the gateway's own word has `lost`. */
export type CallResult = Omit<Result, 'next'> & {
  /** Number of the line (of a terminal: of the byte) after the last one; absent while nothing was accepted. */
  readonly next?: number;
  /**
   * No result came. `never-sent`: the call was not sent, so nothing was started. `disconnected`: the connection broke after it was sent, and
   * what became of the run is not known here. `message` says more.
   */
  readonly lost?: 'never-sent' | 'disconnected';
};

export interface OpenCall {
  /** The run as last announced; undefined until it is accepted. */
  readonly run: RunAnnouncement['run'] | undefined;
  /** Settles once, whatever happens. */
  readonly result: Promise<CallResult>;
  /**
   * Input: a line without its terminator; for terminals a chunk as it is. Resolves with true when it is sent (there may be a wait for the work to read
   * what was sent before), with false when nobody will read it: the run is over, or input was ended.
   */
  write(text: string): Promise<boolean>;
  /** End of input, after everything written. Safe twice. */
  end(): void;
  /** Asks the run to stop; a second time skips the rest of the grace. Before the call is sent it takes the call back. */
  cancel(): void;
  /** The caller's terminal has a new size. */
  resize(size: TerminalSize): void;
}

/** What is needed of a websocket. */
export interface Socket {
  binaryType: string;
  send(message: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
  /** Stop and start reading, where the socket can (`ws` can, browsers cannot). */
  pause?(): void;
  resume?(): void;
  addEventListener(type: 'open' | 'close' | 'error', listener: (event: object) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

export const clientSubprotocol = 'distillery.v2';

/** The websocket endpoint of the gateway at `address` (`http://host:port`, with a path when it sits behind a prefix; `ws:` works too). */
export function endpoint(address: string): string {
  const url = new URL(address);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (!/\/api\/v1\/ws\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/ws`;
  return url.href;
}

const unreadBytesMax = 32 << 20;

/** What an item takes beside its text: the objects that hold it. */
const itemBytes = 100;

type Arrival = { readonly item: Item } | { readonly result: CallResult };

class ClientCall implements OpenCall {
  readonly result: Promise<CallResult>;
  run: RunAnnouncement['run'] | undefined;
  readonly #options: CallOptions;
  readonly #socket: Socket;
  readonly #input: ClientInput;
  #settle: (result: CallResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #onAbort = (): void => this.cancel();
  #phase: 'connecting' | 'called' | 'over' = 'connecting';
  #next: number | undefined;
  #trouble = '';
  #arrivals: Arrival[] = [];
  #delivering = false;
  #broken = false;
  #unread = 0;
  #paused = false;

  constructor(options: CallOptions) {
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
    this.#socket = new options.socket(options.url, [clientSubprotocol]);
    this.#socket.binaryType = 'arraybuffer';
    this.#input = new ClientInput({ send: (text) => this.#socket.send(text), end: () => this.#say({ signal: 'close' }) });
    this.#listen();
  }

  write(text: string): Promise<boolean> {
    return this.#input.write(text);
  }

  end(): void {
    this.#input.end();
  }

  cancel(): void {
    if (this.#phase === 'called') this.#say({ signal: 'cancel' });
    if (this.#phase === 'connecting') this.#conclude(lostResult('cancelled', 'cancelled before the call was sent', 'never-sent'));
  }

  resize(size: TerminalSize): void {
    if (this.#phase === 'called') this.#say({ signal: 'resize', cols: size.cols, rows: size.rows });
  }

  #listen(): void {
    this.#socket.addEventListener('open', () => this.#opened());
    this.#socket.addEventListener('message', ({ data }) => this.#heard(data));
    this.#socket.addEventListener('error', (event) => { this.#trouble ||= textOf(event, 'message'); });
    this.#socket.addEventListener('close', (event) => this.#lost(event));
    this.#options.signal?.addEventListener('abort', this.#onAbort);
    if (this.#options.signal?.aborted) this.cancel();
  }

  #opened(): void {
    if (this.#phase !== 'connecting') return;
    this.#phase = 'called';
    const { call, params = [], terminal } = this.#options;
    this.#say({ call, params, ...(terminal !== undefined && { terminal }) });
  }

  #say(message: object): void {
    this.#socket.send(encodeJson(message));
  }

  #heard(data: unknown): void {
    if (this.#phase === 'over') return;
    if (typeof data === 'string') this.#heardText(data);
    else if (data instanceof ArrayBuffer) this.#heardControl(decodeJson(new Uint8Array(data)));
  }

  #heardText(text: string): void {
    const raw = this.run?.terminal === true;
    if (this.#next !== undefined) this.#next += raw ? utf8Length(text) : 1;
    this.#count(itemBytes + text.length);
    this.#arrive({ item: raw ? { chunk: text } : { line: text } });
  }

  /** Unknown messages are ignored: gateways may learn new ones. */
  #heardControl(message: unknown): void {
    if (!isObject(message)) return;
    if (typeof message['success'] === 'boolean') this.#conclude(asResult(message));
    else if (isObject(message['run'])) this.#announced(message as unknown as RunAnnouncement);
    else if (isObject(message['event'])) this.#arrive({ item: { event: message['event'] as RunEvent } });
    else if (isObject(message['input'])) this.#input.taken(Number(message['input']['taken']) || 0);
  }

  #announced(message: RunAnnouncement): void {
    this.#next ??= message.run.next;
    this.run = message.run;
    this.#arrive({ item: { run: message.run } });
    this.#input.open(message.run.terminal === true ? 0 : 1);
  }

  #lost(event: object): void {
    const after = this.#phase === 'called';
    const trouble = this.#trouble || `close code ${textOf(event, 'code') || 'unknown'}`;
    this.#conclude(after
      ? lostResult('unknown', `connection lost before the result came: ${trouble}`, 'disconnected', this.#next)
      : lostResult('unknown', `cannot connect to ${this.#options.url}: ${trouble}`, 'never-sent'));
  }

  /** The first result stands; everything heard before it is handed over first. */
  #conclude(result: CallResult): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#input.close();
    this.#arrive({ result });
    this.#socket.close();
  }

  #arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    if (!this.#delivering) void this.#deliver();
  }

  async #deliver(): Promise<void> {
    this.#delivering = true;
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      for (const arrival of batch) {
        if ('result' in arrival) return this.#settle(arrival.result);
        const wait = this.#hand(arrival.item);
        if (wait !== undefined) await wait.catch((error: unknown) => this.#failed(error));
        this.#count(-sizeOf(arrival.item));
      }
    }
    this.#delivering = false;
  }

  #take(): Arrival[] {
    const batch = this.#arrivals;
    this.#arrivals = [];
    return batch;
  }

  #hand(item: Item): void | Promise<void> {
    if (this.#broken) return;
    try {
      return this.#options.onItem?.(item);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** So many bytes more, or less, wait for the listener. */
  #count(bytes: number): void {
    const { unreadBytesMax: max = unreadBytesMax } = this.#options;
    this.#unread += bytes;
    const paused = this.#paused ? this.#unread > max / 2 : this.#unread > max;
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#socket.pause?.(); else this.#socket.resume?.();
  }

  /** The listener is broken: nothing is gained by running on. The rejection waits for nobody, the run's own end is on record at the gateway. */
  #failed(error: unknown): void {
    this.#broken = true;
    this.#reject(error);
    this.cancel();
  }
}

function lostResult(status: Outcome, message: string, lost: 'never-sent' | 'disconnected', next?: number): CallResult {
  return { success: false, status, message, lost, ...(next !== undefined && { next }) };
}

function sizeOf(item: Item): number {
  if ('line' in item) return itemBytes + item.line.length;
  return 'chunk' in item ? itemBytes + item.chunk.length : 0;
}

/** An outcome this client has no word for is not guessed at. */
function asResult(message: Readonly<Record<string, unknown>>): CallResult {
  const status = outcomes.find((outcome) => outcome === message['status']) ?? 'unknown';
  return { ...message, status } as CallResult;
}

function textOf(event: object, key: string): string {
  const value = (event as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
