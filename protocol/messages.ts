// What both sides say: the messages of binary frames, as types. The dialects turn bytes into these and back.

import type { Json, Outcome, Receipt, RunState } from './record.ts';

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

export interface CallMessage {
  readonly type: 'call';
  readonly call: string;
  readonly params: readonly string[];
  /** Id the client chose for the run (v2). */
  readonly run?: string;
  /** Size of the client's terminal (v2). */
  readonly terminal?: TerminalSize;
  /** Lines (of a terminal: bytes) that the client has seen already, should the run exist (v2). */
  readonly after?: number;
  /** What becomes of the run when this client is lost: `cancel`, `detach` or `grace:30s` (v2). */
  readonly onDisconnect?: string;
}

/** Watch a run that exists (v2). */
export interface AttachMessage {
  readonly type: 'attach';
  readonly run: string;
  /** Lines (of a terminal: bytes) that the client has seen already; 0 is the beginning. */
  readonly after?: number;
  /** In place of `after`: begin with the last so many lines that are stored; 0 is what comes from now on. */
  readonly last?: number;
  /** The client wants to be the one that feeds the run's input. */
  readonly input?: boolean;
}

/** Everything a client can say in a binary frame; `junk` is everything else. */
export type ClientMessage =
  | CallMessage
  | AttachMessage
  | { readonly type: 'cancel' }
  | { readonly type: 'close-input' }
  | { readonly type: 'resize'; readonly size: TerminalSize }
  | { readonly type: 'detach' }
  | { readonly type: 'junk' };

/** Sent by v2 when the run is accepted and at each change of its state. */
export interface RunAnnouncement {
  readonly run: {
    readonly id: string;
    readonly call: string;
    readonly state: RunState;
    /** Number of the next line (of a terminal: of the next byte) that this session will get. */
    readonly next: number;
    /** Present when text frames are raw chunks of a terminal in place of lines. */
    readonly terminal?: true;
    /** Present when text of this session is input of the run. */
    readonly input?: true;
  };
}

/** A fact of the log: `seq` counts events from 1, `at` is the number of lines before it. */
export interface RunEvent {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly [fact: string]: Json;
}

export interface EventMessage {
  readonly event: RunEvent;
}

/**
 * Credit: how many bytes of the run's input, line terminators included, have reached the work so far (`taken`), and, when a session begins to
 * feed a run that was fed before, how many have arrived at the gateway (`received`): what a lost connection swallowed is to be sent again from there.
 */
export interface InputMessage {
  readonly input: { readonly taken: number; readonly received?: number };
}

/** Lines that were asked for and are gone, both ends included; of a terminal, bytes. The next text frame is the one after `to`. */
export interface GapMessage {
  readonly gap: { readonly from: number; readonly to: number; readonly reason: GapReason };
}

/** `retention`: old output was removed. `truncated`: output was never kept. */
export type GapReason = 'retention' | 'truncated';

/** Something the client asked for is not done, and the session goes on. */
export interface NoticeMessage {
  readonly notice: { readonly code: NoticeCode; readonly message: string };
}

/** `detach-refused`: the call does not allow it. `read-only`: this session may not feed or stop the run. `input-taken`: another session feeds it now. */
export type NoticeCode = 'detach-refused' | 'read-only' | 'input-taken';

/** The result of v2: exactly one, the last message. */
export interface Result {
  readonly success: boolean;
  /** `detached` is no outcome: the session left, and the run goes on. */
  readonly status: Outcome | 'detached';
  readonly message?: string;
  readonly value?: Json;
  readonly exitCode?: number;
  readonly signal?: string;
  /** Number of the line (byte) after the last one. */
  readonly next: number;
  /** Absent when nothing was started. */
  readonly cleanup?: Receipt;
}

export type ServerMessage = RunAnnouncement | EventMessage | InputMessage | GapMessage | NoticeMessage | Result;
