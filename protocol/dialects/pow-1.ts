// `pow-1`, what the Distillery's own clients speak: output and input as raw bytes, results as settled promises, Close 1000 for all but broken frames.

import { sessionEndings, type SessionEndingName } from '../close-codes.ts';
import { decodeJson, encodeJson, isObject } from '../codec.ts';
import type { ClientMessage, Result } from '../messages.ts';
import type { Json } from '../record.ts';
import type { Dialect } from './dialect.ts';
import { isStrings } from './v1.ts';

/** What a call came to, in the words of pow-1. */
export type Settled =
  | { readonly status: 'fulfilled'; readonly value: Json }
  | { readonly status: 'rejected'; readonly reason: string };

export const pow1: Dialect = {
  name: 'pow-1',
  text: 'raw',
  hurries: false,
  read: (bytes) => readPow1(decodeJson(bytes)),
  result: (result, ending) => encodeJson(settle(result, ending)),
  // Its clients take any other code for a lost result; but whoever cannot frame is told so as the websocket protocol demands.
  closeCode: (ending) => (ending === 'bad-frame' || ending === 'not-utf8' ? sessionEndings[ending].closeCode : 1000),
};

/** A signal, a call, or junk. What names no call, as `null` and `{}`, asks for one that nobody knows. */
export function readPow1(value: unknown): ClientMessage {
  if (value === null) return { type: 'call', call: '', params: [] };
  if (!isObject(value)) return { type: 'junk' };
  const call = value['call'] ?? undefined;
  if (call === undefined && value['signal'] !== undefined) return readSignal(value['signal']);
  const params = value['params'] ?? [];
  if ((call !== undefined && typeof call !== 'string') || !isStrings(params)) return { type: 'junk' };
  return { type: 'call', call: call ?? '', params };
}

function readSignal(signal: unknown): ClientMessage {
  switch (signal) {
    case 'cancel': return { type: 'cancel' };
    case 'close': return { type: 'close-input' };
    default: return { type: 'junk' };
  }
}

/** The one result, the same on the websocket and over HTTP. */
export function settle(result: Result, ending: SessionEndingName): Settled {
  // A call may have done its work before it was cancelled.
  const done = ending === 'done' ? result.success : result.status === 'succeeded' && cancelling.has(ending);
  return done ? { status: 'fulfilled', value: result.value ?? null } : { status: 'rejected', reason: reasonOf(ending, result.message) };
}

/** Endings by which the call was cancelled, and nothing else is wrong. */
const cancelling: ReadonlySet<SessionEndingName> = new Set(['second-call', 'unknown-control', 'input-overflow', 'shutdown']);

const gettingFailed = 'failed to get process: ';
const callFailed = 'process returned error: ';
const outsideProtocol = 'protocol error occurred';

function reasonOf(ending: SessionEndingName, message = ''): string {
  switch (ending) {
    case 'done':
    case 'refused':
    case 'shutdown': return `${callFailed}${message || 'unspecified error'}`;
    case 'no-call': return 'timeout expired';
    case 'not-a-call': return outsideProtocol;
    case 'unknown-call': return `${gettingFailed}unknown process`;
    case 'wrong-params': return `${gettingFailed}invalid args`;
    case 'scope': return `${gettingFailed}${message.replace(/^failed to check scope: /, '')}\nauthorization denied`;
    case 'second-call':
    case 'unknown-control': return `${callFailed}cancelled: ${outsideProtocol}`;
    case 'input-overflow': return `${callFailed}cancelled: ${sessionEndings[ending].message}`;
    case 'held-too-much':
    case 'bad-frame':
    case 'not-utf8':
    case 'too-large': return sessionEndings[ending].message.replace(/^protocol error/, outsideProtocol);
    case 'detached':
    case 'fault': return sessionEndings.fault.message;
    default: return ending satisfies never;
  }
}
