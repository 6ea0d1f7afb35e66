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
}

/** Everything a client can say in a binary frame; `junk` is everything else. */
export type ClientMessage =
  | CallMessage
  | { readonly type: 'cancel' }
  | { readonly type: 'close-input' }
  | { readonly type: 'resize'; readonly size: TerminalSize }
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

/** Credit: how many bytes of this session's input have reached the work so far, line terminators included. */
export interface InputMessage {
  readonly input: { readonly taken: number };
}

/** The result of v2: exactly one, the last message. */
export interface Result {
  readonly success: boolean;
  readonly status: Outcome;
  readonly message?: string;
  readonly value?: Json;
  readonly exitCode?: number;
  readonly signal?: string;
  /** Number of the line (byte) after the last one. */
  readonly next: number;
  /** Absent when nothing was started. */
  readonly cleanup?: Receipt;
}

export type ServerMessage = RunAnnouncement | EventMessage | InputMessage | Result;
