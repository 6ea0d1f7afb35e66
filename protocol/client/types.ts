// Types of the client API: options, items, results, and the websocket interface it needs.

import type { GapMessage, NoticeMessage, Result, RunAnnouncement, RunEvent, TerminalSize } from '../messages.ts';

/** Options for reaching a gateway and receiving items. */
export interface ConnectionOptions {
  /** Address of the websocket endpoint; `endpoint()` builds it from the gateway's address. */
  readonly url: string;
  /** The browser's `WebSocket` or the one of the `ws` package. */
  readonly socket: SocketConstructor;
  /** Signal for the call: aborting it calls `cancel()` once. */
  readonly signal?: AbortSignal;
  /**
   * Receives every item in order, all before `result` settles. While a returned promise is pending, no further item is
   * delivered. If this function throws or rejects, the client cancels the run and rejects `result`.
   */
  readonly onItem?: (item: Item) => void | Promise<void>;
  /**
   * Approximate bytes buffered for a slow listener before the client pauses the socket, if the socket can pause.
   * Default 32 MiB.
   */
  readonly unreadBytesMax?: number;
  /**
   * True if this program reads and writes bytes. For a call with `output: bytes`, items then have `bytes` and their
   * stream, and cursors count bytes. With `input: bytes`, the run expects bytes. The announcement names the directions
   * in which bytes are exchanged. Default false: these calls then exchange lines like any other.
   */
  readonly bytes?: boolean;
  /** With `false`, a lost connection ends the call. Absent: the client tries to reconnect for one minute. */
  readonly reconnect?: false | ReconnectOptions;
}

/** Random delays: before the n-th attempt in a row, at most `delayMs` * 2^n and at most `delayMaxMs`. */
export interface ReconnectOptions {
  /** Time for reconnecting after a connection was lost, in milliseconds. Default 60 000. */
  readonly forMs?: number;
  /** Base of the delays, in milliseconds. Default 250. */
  readonly delayMs?: number;
  /** Maximum of the delays, in milliseconds. Default 5 000. */
  readonly delayMaxMs?: number;
  /** With true, the client also retries the first connection. Default false. */
  readonly first?: boolean;
}

export interface CallOptions extends ConnectionOptions {
  readonly call: string;
  readonly params?: readonly string[];
  /**
   * Run id: letters, digits, `_` and `-`; at most 64. If this call already has a run with this id, the client resumes
   * that run. Default: a random id.
   */
  readonly run?: string;
  /** If the run exists: lines (for a terminal and with `bytes`: bytes) that the client already has. */
  readonly after?: number;
  /**
   * Size of the caller's terminal, for calls of kind `terminal`. A size that no terminal can have counts as absent and
   * causes the notice `invalid-size`.
   */
  readonly terminal?: TerminalSize;
  /**
   * Disconnect policy of the run for this client: `cancel`, `detach` or `grace:30s`. Default: the policy of the call.
   */
  readonly onDisconnect?: string;
}

export interface AttachOptions extends ConnectionOptions {
  /** Run id. */
  readonly run: string;
  /** Lines (for a terminal and with `bytes`: bytes) that the client already has. Default 0, the beginning. */
  readonly after?: number;
  /** Alternative to `after`: how many of the last lines to receive first; 0 means only new output. */
  readonly last?: number;
  /** With true, the client requests the run's input lease, so that `write` reaches the run. */
  readonly input?: boolean;
}

/**
 * An item of a run's log, or a change of its connection. Ignore kinds that you do not know; later versions may add
 * some.
 */
export type Item =
  | { readonly line: string }
  | { readonly chunk: string }
  /** Output of a call with `output: bytes`, as the work printed it. The bytes belong to the receiver. */
  | { readonly bytes: Uint8Array; readonly stream: 'stdout' | 'stderr' }
  | { readonly event: RunEvent }
  | RunAnnouncement
  | GapMessage
  | NoticeMessage
  | ConnectionItem;

/**
 * `lost`: the next attempt follows after `inMs`; `attempt` counts from 1 until the gateway answers. `resumed`: items
 * continue where they stopped.
 */
export type ConnectionItem =
  | { readonly connection: 'lost'; readonly inMs: number; readonly attempt: number }
  | { readonly connection: 'resumed' };

/** Result of a call. `lost` is set if the gateway did not send the result. */
export type ClientResult = Omit<Result, 'next'> & {
  /** Number of the line (for a terminal: of the byte) after the last one; absent if no run was accepted. */
  readonly next?: number;
  /**
   * Set when no result arrived. `never-sent`: the call was not sent, so nothing started. `disconnected`: the connection
   * broke afterwards and the outcome is unknown here. `message` has details.
   */
  readonly lost?: 'never-sent' | 'disconnected';
};

/** A started call or a watched run. Iterate over it, or pass `onItem`, to receive its items. */
export interface OpenCall extends AsyncIterable<Item> {
  /** Run id, known from the start. */
  readonly id: string;
  /** The latest announcement of the run; undefined until the gateway accepts the run. */
  readonly run: RunAnnouncement['run'] | undefined;
  /** The result. Settles exactly once. */
  readonly result: Promise<ClientResult>;
  /**
   * Sends input: a line without its terminator, or for terminals a chunk unchanged. A Uint8Array is sent unchanged to
   * any run; it must not change afterwards. Resolves with true when the input is sent, which may wait until the work
   * has read earlier input. Resolves with false if the run or its input has ended, or another session holds the input
   * lease. Sends input again that a lost connection dropped.
   */
  write(input: string | Uint8Array): Promise<boolean>;
  /** Ends the input after everything written. Idempotent. */
  end(): void;
  /**
   * Requests the run's input lease, which another session may hold. An announcement with `input: true` is the answer;
   * `write` then works again. The notice `read-only` is the answer if this caller may not write. Has no effect while
   * disconnected.
   */
  requestInput(): void;
  /**
   * Asks the run to stop; a second `cancel()` skips the rest of the grace. Withdraws a call that was not sent yet.
   * While disconnected, the client sends the request after the reconnect.
   */
  cancel(): void;
  /**
   * Leaves the run running: the result is `detached`, unless the notice `detach-refused` arrives. Idempotent. While
   * disconnected, the client sends the request after the reconnect.
   */
  detach(): void;
  /**
   * Reports the new size of the caller's terminal. A size that no terminal can have changes nothing and causes the
   * notice `invalid-size`.
   */
  resize(size: TerminalSize): void;
  /**
   * Iterates over the items instead of `onItem`. Start the loop once, in the same event-loop turn as `openCall` or
   * `attachRun`. Each step takes one item, so a slow loop receives output later but never slows the run. The loop ends
   * with the result; leaving it early only stops listening. Throws if there already is a listener.
   */
  [Symbol.asyncIterator](): AsyncIterator<Item, undefined>;
}

/** The part of a websocket that the client uses. */
export interface Socket {
  binaryType: string;
  send(message: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
  /** Stops reading until `resume`, if the socket can (`ws` can, browsers cannot). */
  pause?(): void;
  resume?(): void;
  addEventListener(type: 'open' | 'close' | 'error', listener: (event: object) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;
