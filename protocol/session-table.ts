// The state machine of a session as one table. Pure: server/session performs the actions. docs/protocol.md shows the
// table; a test compares them.

import type { SessionEndingName } from './close-codes.ts';

/**
 * `open`: waits for the call. `running`: this session's run is active. `watching`: attached to a run that another
 * session started. `stopping`: the run was asked to stop; the session waits for its end. `closing`: sends the result
 * and Close. `closed`: the connection has ended.
 */
export const phases = ['open', 'running', 'watching', 'stopping', 'closing', 'closed'] as const;
export type Phase = (typeof phases)[number];

export const sessionEvents = [
  // Messages of the client.
  'call',
  'attach',
  'text',
  'cancel',
  'close-input',
  'resize',
  'detach',
  'request-input',
  'invalid-message',
  // Violations of the websocket protocol or of a limit.
  'too-large',
  'not-utf8',
  'bad-frame',
  'early-input-overflow',
  'call-timeout',
  'input-overflow',
  // Events of the run and of the gateway.
  'rejected',
  'detached',
  'ended',
  'fault',
  'shutdown',
  // The client has sent Close, or its connection was lost or timed out.
  'disconnected',
] as const;
export type SessionEvent = (typeof sessionEvents)[number];

/**
 * start: start the run of the call.
 * attach: watch the named run.
 * buffer-input: keep early text until there is a run.
 * write-input, close-input, resize: pass on to the run.
 * detach: leave the run running, if its call allows that.
 * request-input: take the run's input lease, if the caller may control the run.
 * request-stop: ask a run of another session to stop.
 * stop: ask this session's run to stop.
 * force-stop: skip the rest of the grace.
 * apply-disconnect-policy: the client is disconnected, so the run's policy decides.
 * finish: send the result, then Close.
 */
export type SessionAction =
  | 'start'
  | 'attach'
  | 'buffer-input'
  | 'write-input'
  | 'close-input'
  | 'resize'
  | 'detach'
  | 'request-input'
  | 'request-stop'
  | 'stop'
  | 'force-stop'
  | 'apply-disconnect-policy'
  | 'finish';

export interface Transition {
  readonly next: Phase;
  readonly action?: SessionAction;
  /** Why the session ends. The first reason counts. */
  readonly ending?: SessionEndingName;
}

type Row = { readonly [event in SessionEvent]?: Transition };

const finishAs = (ending: SessionEndingName): Transition => ({ next: 'closing', action: 'finish', ending });
const stopAs = (ending: SessionEndingName): Transition => ({ next: 'stopping', action: 'stop', ending });

/** Transitions by phase and event. The session ignores an event that is not in this table. */
export const sessionTable: { readonly [phase in Phase]: Row } = {
  open: {
    call: { next: 'running', action: 'start' },
    attach: { next: 'watching', action: 'attach' },
    text: { next: 'open', action: 'buffer-input' },
    cancel: finishAs('not-a-call'),
    'close-input': finishAs('not-a-call'),
    resize: finishAs('not-a-call'),
    detach: finishAs('not-a-call'),
    'request-input': finishAs('not-a-call'),
    'invalid-message': finishAs('not-a-call'),
    'too-large': finishAs('too-large'),
    'not-utf8': finishAs('not-utf8'),
    'bad-frame': finishAs('bad-frame'),
    'early-input-overflow': finishAs('early-input-overflow'),
    'call-timeout': finishAs('call-timeout'),
    fault: finishAs('fault'),
    shutdown: finishAs('shutdown'),
    disconnected: { next: 'closed' },
  },
  running: {
    call: stopAs('second-call'),
    attach: stopAs('second-call'),
    text: { next: 'running', action: 'write-input' },
    cancel: stopAs('done'),
    'close-input': { next: 'running', action: 'close-input' },
    resize: { next: 'running', action: 'resize' },
    detach: { next: 'running', action: 'detach' },
    'request-input': { next: 'running', action: 'request-input' },
    detached: finishAs('detached'),
    'invalid-message': stopAs('unknown-control'),
    'too-large': stopAs('too-large'),
    'not-utf8': stopAs('not-utf8'),
    'bad-frame': stopAs('bad-frame'),
    'input-overflow': stopAs('input-overflow'),
    rejected: { next: 'closing', action: 'finish' },
    ended: finishAs('done'),
    fault: stopAs('fault'),
    shutdown: stopAs('shutdown'),
    disconnected: { next: 'closed', action: 'apply-disconnect-policy' },
  },
  // A protocol error of a watching client ends its session but never the run.
  watching: {
    call: finishAs('second-call'),
    attach: finishAs('second-call'),
    text: { next: 'watching', action: 'write-input' },
    cancel: { next: 'watching', action: 'request-stop' },
    'close-input': { next: 'watching', action: 'close-input' },
    resize: { next: 'watching', action: 'resize' },
    detach: finishAs('detached'),
    'request-input': { next: 'watching', action: 'request-input' },
    'invalid-message': finishAs('unknown-control'),
    'too-large': finishAs('too-large'),
    'not-utf8': finishAs('not-utf8'),
    'bad-frame': finishAs('bad-frame'),
    'input-overflow': finishAs('input-overflow'),
    rejected: { next: 'closing', action: 'finish' },
    ended: finishAs('done'),
    fault: finishAs('fault'),
    shutdown: { next: 'watching', ending: 'shutdown' },
    disconnected: { next: 'closed', action: 'apply-disconnect-policy' },
  },
  stopping: {
    cancel: { next: 'stopping', action: 'force-stop' },
    rejected: { next: 'closing', action: 'finish' },
    ended: finishAs('done'),
    disconnected: { next: 'closed', action: 'apply-disconnect-policy' },
  },
  closing: { disconnected: { next: 'closed' } },
  closed: {},
};

export interface SessionState {
  readonly phase: Phase;
  readonly ending?: SessionEndingName;
}

export const newSession: SessionState = { phase: 'open' };

/**
 * Returns the next state and the action to perform. `ending` is only for `rejected`, which can end a session for
 * several reasons.
 */
export function transition(
  state: SessionState,
  event: SessionEvent,
  ending?: SessionEndingName,
): { state: SessionState; action?: SessionAction } {
  const row = sessionTable[state.phase][event];
  if (row === undefined) return { state };
  const reason = state.ending ?? row.ending ?? ending;
  const next: SessionState = reason === undefined ? { phase: row.next } : { phase: row.next, ending: reason };
  return row.action === undefined ? { state: next } : { state: next, action: row.action };
}
