// The session as one table: in which phase, on which event, what is done and where it goes next. Pure; server/session performs it.
// docs/protocol.md shows the table; a test compares them.

import type { SessionEndingName } from './close-codes.ts';

/**
 * `open`: waiting for the call. `running`: the call's run goes on. `watching`: the same, of a run that this session has not started.
 * `stopping`: the run was asked to stop, its end is awaited. `closing`: the result and Close are sent. `closed`: the connection is gone.
 */
export const phases = ['open', 'running', 'watching', 'stopping', 'closing', 'closed'] as const;
export type Phase = (typeof phases)[number];

export const sessionEvents = [
  'call', 'attach', 'text', 'cancel', 'close-input', 'resize', 'detach', 'junk', // what the client says
  'too-large', 'not-utf8', 'bad-frame', // what it must not say
  'held-too-much', 'no-call', 'input-overflow', // bounds
  'refused', 'left', 'ended', 'fault', 'shutdown', // from our side
  'gone', // the client sent Close or is lost
] as const;
export type SessionEvent = (typeof sessionEvents)[number];

/**
 * start: begin the run the call asks for. attach: watch the run that is named. hold: keep text for it. feed: text to its input. end-input, resize: as said.
 * detach: leave it to itself, if the call allows that. ask: of a run of somebody else, to stop. stop: ask the run to stop. hurry: skip the rest of the grace.
 * abandon: the client is gone, and the run's disconnect policy decides. finish: send the result, then Close.
 */
export type SessionAction =
  'start' | 'attach' | 'hold' | 'feed' | 'end-input' | 'resize' | 'detach' | 'ask' | 'stop' | 'hurry' | 'abandon' | 'finish';

export interface Step {
  readonly next: Phase;
  readonly act?: SessionAction;
  /** Why the session ends; the first one said is kept. */
  readonly ending?: SessionEndingName;
}

type Row = { readonly [event in SessionEvent]?: Step };

const finishAs = (ending: SessionEndingName): Step => ({ next: 'closing', act: 'finish', ending });
const stopAs = (ending: SessionEndingName): Step => ({ next: 'stopping', act: 'stop', ending });

/** What is not in the table is ignored. */
export const sessionTable: { readonly [phase in Phase]: Row } = {
  open: {
    'call': { next: 'running', act: 'start' },
    'attach': { next: 'watching', act: 'attach' },
    'text': { next: 'open', act: 'hold' },
    'cancel': finishAs('not-a-call'),
    'close-input': finishAs('not-a-call'),
    'resize': finishAs('not-a-call'),
    'detach': finishAs('not-a-call'),
    'junk': finishAs('not-a-call'),
    'too-large': finishAs('too-large'),
    'not-utf8': finishAs('not-utf8'),
    'bad-frame': finishAs('bad-frame'),
    'held-too-much': finishAs('held-too-much'),
    'no-call': finishAs('no-call'),
    'fault': finishAs('fault'),
    'shutdown': finishAs('shutdown'),
    'gone': { next: 'closed' },
  },
  running: {
    'call': stopAs('second-call'),
    'attach': stopAs('second-call'),
    'text': { next: 'running', act: 'feed' },
    'cancel': stopAs('done'),
    'close-input': { next: 'running', act: 'end-input' },
    'resize': { next: 'running', act: 'resize' },
    'detach': { next: 'running', act: 'detach' },
    'left': finishAs('detached'),
    'junk': stopAs('unknown-control'),
    'too-large': stopAs('too-large'),
    'not-utf8': stopAs('not-utf8'),
    'bad-frame': stopAs('bad-frame'),
    'input-overflow': stopAs('input-overflow'),
    'refused': { next: 'closing', act: 'finish' },
    'ended': finishAs('done'),
    'fault': stopAs('fault'),
    'shutdown': stopAs('shutdown'),
    'gone': { next: 'closed', act: 'abandon' },
  },
  // What a watcher does wrong ends its session, and never the run.
  watching: {
    'call': finishAs('second-call'),
    'attach': finishAs('second-call'),
    'text': { next: 'watching', act: 'feed' },
    'cancel': { next: 'watching', act: 'ask' },
    'close-input': { next: 'watching', act: 'end-input' },
    'resize': { next: 'watching', act: 'resize' },
    'detach': finishAs('detached'),
    'junk': finishAs('unknown-control'),
    'too-large': finishAs('too-large'),
    'not-utf8': finishAs('not-utf8'),
    'bad-frame': finishAs('bad-frame'),
    'input-overflow': finishAs('input-overflow'),
    'refused': { next: 'closing', act: 'finish' },
    'ended': finishAs('done'),
    'fault': finishAs('fault'),
    'shutdown': { next: 'watching', ending: 'shutdown' },
    'gone': { next: 'closed', act: 'abandon' },
  },
  stopping: {
    'cancel': { next: 'stopping', act: 'hurry' },
    'refused': { next: 'closing', act: 'finish' },
    'ended': finishAs('done'),
    'gone': { next: 'closed', act: 'abandon' },
  },
  closing: { 'gone': { next: 'closed' } },
  closed: {},
};

export interface SessionState {
  readonly phase: Phase;
  readonly ending?: SessionEndingName;
}

export const newSession: SessionState = { phase: 'open' };

/** The next state, and the one thing to do. `ending` may be given with `refused`, which has several. */
export function step(state: SessionState, event: SessionEvent, ending?: SessionEndingName): { state: SessionState; act?: SessionAction } {
  const found = sessionTable[state.phase][event];
  if (found === undefined) return { state };
  const why = state.ending ?? found.ending ?? ending;
  const next: SessionState = why === undefined ? { phase: found.next } : { phase: found.next, ending: why };
  return found.act === undefined ? { state: next } : { state: next, act: found.act };
}
