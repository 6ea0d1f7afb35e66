// The dialect `distillery.v2`: v1 plus attach and detach, announcements, events, gaps, input credit, terminal sizes and
// detailed results.

import { sessionEndings } from '../close-codes.ts';
import { decodeJson, encodeJson, isObject } from '../codec.ts';
import type { ClientMessage } from '../messages.ts';
import { runIdPattern } from '../run-id.ts';
import { isTerminalSize, type TerminalSize } from '../terminal-size.ts';
import type { Dialect } from './dialect.ts';
import { readV1 } from './v1.ts';

export const v2: Dialect = {
  name: 'distillery.v2',
  text: 'as-run',
  dataFrames: true,
  secondCancelForces: true,
  read: (bytes) => readV2(decodeJson(bytes)),
  result: (result) => encodeJson(result),
  announce: (message) => encodeJson(message),
  credit: (message) => encodeJson(message),
  event: (json) => wrapEvent(json),
  gap: (message) => encodeJson(message),
  notice: (message) => encodeJson(message),
  closeCode: (ending) => sessionEndings[ending].closeCode,
};

function readV2(value: unknown): ClientMessage {
  if (!isObject(value)) return { type: 'invalid-message' };
  const isCall = typeof (value['call'] ?? value['name']) === 'string';
  const call = isCall ? readCall(value) : undefined;
  if (call !== undefined) return call;
  if (value['attach'] !== undefined) return readAttach(value);
  const signal = readSignal(value);
  return isCall && !isHarmless(signal) ? { type: 'invalid-message' } : signal;
}

/**
 * Returns true for signals that are valid even if the message also names a call that cannot be read. Such a message
 * never cancels a run or closes its input.
 */
function isHarmless(signal: ClientMessage): boolean {
  return (
    signal.type === 'detach' ||
    signal.type === 'request-input' ||
    (signal.type === 'resize' && signal.size !== undefined)
  );
}

function readSignal(value: Readonly<Record<string, unknown>>): ClientMessage {
  switch (value['signal']) {
    case 'cancel':
      return { type: 'cancel' };
    case 'close':
      return { type: 'close-input' };
    case 'detach':
      return { type: 'detach' };
    case 'input':
      return { type: 'request-input' };
    case 'resize':
      return readResize(value);
    default:
      return { type: 'invalid-message' };
  }
}

/** Reads a resize. Drops an invalid size instead of the message: an invalid message would end the run. */
function readResize(value: Readonly<Record<string, unknown>>): ClientMessage {
  const size = readSize(value);
  return size === undefined ? { type: 'resize' } : { type: 'resize', size };
}

/** Reads an attach message. `after` and `last` exclude each other. */
function readAttach({ attach: run, after, last, input, bytes }: Readonly<Record<string, unknown>>): ClientMessage {
  if (!isRunId(run) || !isOptionalCount(after) || !isOptionalCount(last) || (after !== undefined && last !== undefined))
    return { type: 'invalid-message' };
  if (!isOptionalFlag(input) || !isOptionalFlag(bytes)) return { type: 'invalid-message' };
  return {
    type: 'attach',
    run,
    ...(after !== undefined && { after }),
    ...(last !== undefined && { last }),
    ...(input !== undefined && { input }),
    ...(bytes !== undefined && { bytes }),
  };
}

/**
 * Reads the call as v1 does, and the fields that v2 adds. Returns undefined if v1 reads no call, and `invalid-message`
 * if a field of v2 is invalid.
 */
function readCall(value: Readonly<Record<string, unknown>>): ClientMessage | undefined {
  const message = readV1(value);
  if (message.type !== 'call') return undefined;
  const { run, terminal, after, onDisconnect, bytes } = value;
  if (run !== undefined && !isRunId(run)) return { type: 'invalid-message' };
  if (!isOptionalCount(after) || (onDisconnect !== undefined && typeof onDisconnect !== 'string'))
    return { type: 'invalid-message' };
  if (!isOptionalFlag(bytes)) return { type: 'invalid-message' };
  const size = terminal === undefined ? undefined : readSize(terminal);
  if (terminal !== undefined && size === undefined) return { type: 'invalid-message' };
  return {
    ...message,
    ...(run !== undefined && { run }),
    ...(size !== undefined && { terminal: size }),
    ...(after !== undefined && { after }),
    ...(onDisconnect !== undefined && { onDisconnect }),
    ...(bytes !== undefined && { bytes }),
  };
}

function isRunId(value: unknown): value is string {
  return typeof value === 'string' && runIdPattern.test(value);
}

function isOptionalFlag(value: unknown): value is boolean | undefined {
  return value === undefined || typeof value === 'boolean';
}

function isOptionalCount(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0);
}

function readSize(value: unknown): TerminalSize | undefined {
  return isTerminalSize(value) ? { cols: value.cols, rows: value.rows } : undefined;
}

const eventPrefix = new TextEncoder().encode('{"event":');
const eventSuffix = new TextEncoder().encode('}');

/** Wraps an event. The log stores events as JSON text, so the text is wrapped instead of parsed for every watcher. */
function wrapEvent(json: Uint8Array): Uint8Array {
  const message = new Uint8Array(eventPrefix.length + json.length + eventSuffix.length);
  message.set(eventPrefix, 0);
  message.set(json, eventPrefix.length);
  message.set(eventSuffix, eventPrefix.length + json.length);
  return message;
}
