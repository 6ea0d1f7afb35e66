// The dialect `pow-1` of the Distillery's own clients: raw bytes, results in the form of settled promises, and close
// code 1000 except after broken frames.

import { type SessionEndingName, sessionEndings } from '../close-codes.ts';
import { decodeJson, encodeJson, foldKeys, isObject } from '../codec.ts';
import type { ClientMessage, Result } from '../messages.ts';
import type { Json } from '../run-record.ts';
import type { Dialect } from './dialect.ts';
import { isStringArray } from './v1.ts';

/** Result of a call in pow-1. */
export type SettledResult =
  | { readonly status: 'fulfilled'; readonly value: Json }
  | { readonly status: 'rejected'; readonly reason: string };

export const pow1: Dialect = {
  name: 'pow-1',
  text: 'raw',
  dataFrames: false,
  secondCancelForces: false,
  read: (bytes) => readPow1(decodeJson(bytes)),
  result: (result, ending) => encodeJson(toSettledResult(result, ending)),
  // Use 1000, because clients of pow-1 treat any other code as a lost result. Only for broken frames, the websocket
  // protocol prescribes another code.
  closeCode: (ending) => (ending === 'bad-frame' || ending === 'not-utf8' ? sessionEndings[ending].closeCode : 1000),
};

/** Reads a signal or a call. A message without a call name (`null`, `{}`) counts as a call of an unknown name. */
export function readPow1(message: unknown): ClientMessage {
  if (message === null) return { type: 'call', call: '', params: [] };
  const value = foldKeys(message, ['call', 'params', 'signal']);
  if (!isObject(value)) return { type: 'invalid-message' };
  const { call, params = [], signal } = value;
  if (call === undefined && signal !== undefined) return readSignal(signal);
  if ((call !== undefined && typeof call !== 'string') || !isStringArray(params)) return { type: 'invalid-message' };
  return { type: 'call', call: call ?? '', params };
}

function readSignal(signal: unknown): ClientMessage {
  switch (signal) {
    case 'cancel':
      return { type: 'cancel' };
    case 'close':
      return { type: 'close-input' };
    default:
      return { type: 'invalid-message' };
  }
}

/** Converts a result for the websocket and for HTTP, which carry the same result. */
export function toSettledResult(result: Result, ending: SessionEndingName): SettledResult {
  // Work that is cancelled can succeed nevertheless; the client then receives its value.
  const fulfilled = ending === 'done' ? result.success : result.status === 'succeeded' && cancellingEndings.has(ending);
  return fulfilled
    ? { status: 'fulfilled', value: result.value ?? null }
    : { status: 'rejected', reason: rejectionReason(ending, result.message) };
}

/** Endings that stop a run which may nevertheless succeed. */
const cancellingEndings: ReadonlySet<SessionEndingName> = new Set([
  'second-call',
  'unknown-control',
  'input-overflow',
  'shutdown',
]);

const lookupFailed = 'failed to get process: ';
const callFailed = 'process returned error: ';
const protocolError = 'protocol error occurred';

function rejectionReason(ending: SessionEndingName, message = ''): string {
  switch (ending) {
    case 'done':
    case 'rejected':
    case 'shutdown':
      return `${callFailed}${message || 'unspecified error'}`;
    case 'call-timeout':
      return 'timeout expired';
    case 'not-a-call':
      return protocolError;
    case 'unknown-call':
      return `${lookupFailed}unknown process`;
    case 'wrong-params':
      return `${lookupFailed}invalid args`;
    case 'scope':
      return `${lookupFailed}${message.replace(/^failed to check scope: /, '')}\nauthorization denied`;
    case 'second-call':
    case 'unknown-control':
      return `${callFailed}cancelled: ${protocolError}`;
    case 'input-overflow':
      return `${callFailed}cancelled: ${sessionEndings[ending].message}`;
    case 'early-input-overflow':
    case 'bad-frame':
    case 'not-utf8':
    case 'too-large':
      return sessionEndings[ending].message.replace(/^protocol error/, protocolError);
    case 'detached':
    case 'fault':
      return sessionEndings.fault.message;
    default:
      return ending satisfies never;
  }
}
