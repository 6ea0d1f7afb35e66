// What the client takes and gives: its options, what a run says, how it ended, and what is needed of a websocket.

import type { GapMessage, NoticeMessage, Result, RunAnnouncement, RunEvent, TerminalSize } from './messages.ts';

/** What it takes to reach a gateway and to listen. */
export interface LinkOptions {
  /** Of the websocket endpoint; `endpoint()` makes it from the gateway's address. */
  readonly url: string;
  /** The browser's `WebSocket`, or that of the `ws` package. */
  readonly socket: SocketConstructor;
  /** Aborting it is `cancel()`, once. */
  readonly signal?: AbortSignal;
  /**
   * Gets everything the run says, in order, and all of it before `result` settles. While a returned promise is pending nothing more is handed
   * over. What it throws cancels the run and becomes the rejection of `result`.
   */
  readonly onItem?: (item: Item) => void | Promise<void>;
  /** Bytes, roughly, that are kept for a slow listener before the socket is paused, where it can be. 32 MiB when absent. */
  readonly unreadBytesMax?: number;
  /** False: a connection that is lost ends it all. Absent: it is made again, for a minute. */
  readonly reconnect?: false | ReconnectOptions;
}

/** After the n-th failure in a row the client waits a random time of at most `delayMs` * 2^n, and at most `delayMaxMs`. */
export interface ReconnectOptions {
  /** How long it is tried, from the moment the connection was lost. 60 000 when absent. */
  readonly forMs?: number;
  /** 250 when absent. */
  readonly delayMs?: number;
  /** 5 000 when absent. */
  readonly delayMaxMs?: number;
  /** True: the first connection is tried again too, when it cannot be made. */
  readonly first?: boolean;
}

export interface CallOptions extends LinkOptions {
  readonly call: string;
  readonly params?: readonly string[];
  /** Id of the run: letters, digits, `_`, `-`; at most 64. If there is such a run of this call, it is gone on with. A random one when absent. */
  readonly run?: string;
  /** Should the run exist: lines (of a terminal: bytes) of it that are known already. */
  readonly after?: number;
  /** Size of the caller's terminal, for calls that open one. */
  readonly terminal?: TerminalSize;
  /** What becomes of the run while this client is lost: `cancel`, `detach` or `grace:30s`. The call's own choice when absent. */
  readonly onDisconnect?: string;
}

export interface AttachOptions extends LinkOptions {
  /** Id of the run. */
  readonly run: string;
  /** Lines (of a terminal: bytes) that are known already; 0, the beginning, when absent. */
  readonly after?: number;
  /** In place of `after`: begin with the last so many lines; 0 is what comes from now on. */
  readonly last?: number;
  /** True: what is written is input of the run. */
  readonly input?: boolean;
}

/** What a run says, and what becomes of the connection to it. More kinds may come; ignore those you do not know. */
export type Item =
  | { readonly line: string }
  | { readonly chunk: string }
  | { readonly event: RunEvent }
  | RunAnnouncement
  | GapMessage
  | NoticeMessage
  | ConnectionItem;

/** `lost`: it is made again after `inMs`; `attempt` counts from 1 until something is heard again. `resumed`: the run goes on being told, where it was left. */
export type ConnectionItem =
  | { readonly connection: 'lost'; readonly inMs: number; readonly attempt: number }
  | { readonly connection: 'resumed' };

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

/** A call, or a run that is watched. Iterating over it is another way to get the items; see `[Symbol.asyncIterator]`. */
export interface OpenCall extends AsyncIterable<Item> {
  /** Id of the run: the one that was chosen, known from the start. */
  readonly id: string;
  /** The run as last announced; undefined until it is accepted. */
  readonly run: RunAnnouncement['run'] | undefined;
  /** Settles once, whatever happens. */
  readonly result: Promise<CallResult>;
  /**
   * Input: a line without its terminator; for terminals a chunk as it is. Resolves with true when it is sent (there may be a wait for the work to read
   * what was sent before), with false when nobody will read it: the run is over, input was ended, or another session feeds the run. What a broken
   * connection swallowed is sent again.
   */
  write(text: string): Promise<boolean>;
  /** End of input, after everything written. Safe twice. */
  end(): void;
  /** Asks the run to stop; a second time skips the rest of the grace. Before the call is sent it takes the call back; while the connection is lost it is kept. */
  cancel(): void;
  /** Leaves the run to itself: the result is `detached`, unless the notice `detach-refused` comes. Safe twice; while there is no connection it is kept. */
  detach(): void;
  /** The caller's terminal has a new size. */
  resize(size: TerminalSize): void;
  /**
   * The items, in place of `onItem`: to be begun in the same turn as the call, once. The next item is taken when it is asked for, so a slow loop is a slow
   * listener. It is over when the result is there. Leaving the loop early only stops listening. Throws when somebody listens already.
   */
  [Symbol.asyncIterator](): AsyncIterator<Item, undefined>;
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
