// Types of the messages in binary frames. The dialects convert bytes to these and back.

import type { Json, Outcome, Receipt, RunState } from './run-record.ts';
import type { TerminalSize } from './terminal-size.ts';

export type { TerminalSize };

export interface CallMessage {
  readonly type: 'call';
  readonly call: string;
  readonly params: readonly string[];
  /** Run id that the client chose (v2). */
  readonly run?: string;
  /** Size of the client's terminal (v2). */
  readonly terminal?: TerminalSize;
  /** If the run exists: lines (for a terminal and for output of bytes: bytes) that the client already has (v2). */
  readonly after?: number;
  /** Disconnect policy for this client: `cancel`, `detach` or `grace:30s` (v2). */
  readonly onDisconnect?: string;
  /** True if the client reads and writes bytes where the call declares them (v2). */
  readonly bytes?: boolean;
}

/** Attaches to a run that exists (v2). */
export interface AttachMessage {
  readonly type: 'attach';
  readonly run: string;
  /** Lines (for a terminal and for output of bytes: bytes) that the client already has; 0 is the beginning. */
  readonly after?: number;
  /** Alternative to `after`: how many of the last stored lines to receive first; 0 means only new output. */
  readonly last?: number;
  /** True if the client requests the run's input lease. */
  readonly input?: boolean;
  /** True if the client reads and writes bytes where the call declares them. */
  readonly bytes?: boolean;
}

/** Every message that a client can send in a binary frame. A dialect maps all others to `invalid-message`. */
export type ClientMessage =
  | CallMessage
  | AttachMessage
  | { readonly type: 'cancel' }
  | { readonly type: 'close-input' }
  /** `size` is absent if the message has no size, or one that no terminal can have. */
  | { readonly type: 'resize'; readonly size?: TerminalSize }
  | { readonly type: 'detach' }
  /** Requests the input lease of the run that this session is attached to (v2). */
  | { readonly type: 'request-input' }
  | { readonly type: 'invalid-message' };

/** Announces a run (v2): when the gateway accepts it and at each change of its state. */
export interface RunAnnouncement {
  readonly run: {
    readonly id: string;
    readonly call: string;
    readonly state: RunState;
    /** Number of the next line (for a terminal: of the next byte) that this session will receive. */
    readonly next: number;
    /** Present if text frames are raw terminal output instead of lines. */
    readonly terminal?: true;
    /** Present if this session holds the input lease. */
    readonly input?: true;
    /**
     * The directions in which this session exchanges bytes, in binary frames (`data-frame.ts`). Absent: none. With
     * `output`, `next` counts bytes.
     */
    readonly bytes?: readonly ('input' | 'output')[];
  };
}

/** An event of the log. `seq` counts events from 1; `at` is the cursor before it. */
export interface RunEvent {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly [field: string]: Json;
}

export interface EventMessage {
  readonly event: RunEvent;
}

/**
 * Input credit. `taken` is how many bytes of the run's input, line terminators included, the work has read. `received`
 * is how many bytes have arrived at the gateway; it is present when a session takes over input from another. The client
 * sends everything after `received` again.
 */
export interface InputMessage {
  readonly input: { readonly taken: number; readonly received?: number };
}

/** Requested lines (for a terminal: bytes) that no longer exist, both ends included. Output continues after `to`. */
export interface GapMessage {
  readonly gap: { readonly from: number; readonly to: number; readonly reason: GapReason };
}

/** `retention`: old output was removed. `truncated`: output was never stored. */
export type GapReason = 'retention' | 'truncated';

/**
 * Reports that the gateway did not carry out a request of the client, or that this session lost the input lease. The
 * session continues.
 */
export interface NoticeMessage {
  readonly notice: { readonly code: NoticeCode; readonly message: string };
}

/**
 * `detach-refused`: the call does not allow detach. `read-only`: this session may not write input or stop the run.
 * `input-taken`: another session took the input lease. `invalid-size`: no terminal can have the size of a `resize`.
 */
export type NoticeCode = 'detach-refused' | 'read-only' | 'input-taken' | 'invalid-size';

/** The result in v2: exactly one, as the last message. */
export interface Result {
  readonly success: boolean;
  /** `detached` is not an outcome: the session has left a run that continues. */
  readonly status: Outcome | 'detached';
  readonly message?: string;
  readonly value?: Json;
  readonly exitCode?: number;
  readonly signal?: string;
  /** True if the gateway could not store the output, so the exit code does not say how the work went. */
  readonly storageFailed?: true;
  /** Number of the line (for a terminal: of the byte) after the last one. */
  readonly next: number;
  /** Receipt of the run. Absent if nothing was started. */
  readonly cleanup?: Receipt;
}

/**
 * Every message that a server sends.
 * @public
 */
export type ServerMessage = RunAnnouncement | EventMessage | InputMessage | GapMessage | NoticeMessage | Result;
