// `distillery.v2`: v1, and with it runs that are attached to and left, announcements, events, gaps, input credit, terminal sizes, and results that tell all.

import { sessionEndings } from '../close-codes.ts';
import { decodeJson, encodeJson, isObject } from '../codec.ts';
import type { ClientMessage, TerminalSize } from '../messages.ts';
import type { Dialect } from './dialect.ts';
import { runIdPattern } from '../run-id.ts';
import { readV1 } from './v1.ts';

/** Columns and rows are 16-bit numbers in the kernel (ioctl_tty(2), TIOCSWINSZ); 0 would mean "unknown". */
export const terminalSizeMax = 65_535;

export const v2: Dialect = {
  name: 'distillery.v2',
  text: 'as-run',
  hurries: true,
  read: (bytes) => readV2(decodeJson(bytes)),
  result: (result) => encodeJson(result),
  announce: (message) => encodeJson(message),
  credit: (message) => encodeJson(message),
  event: (json) => wrap(json),
  gap: (message) => encodeJson(message),
  notice: (message) => encodeJson(message),
  closeCode: (ending) => sessionEndings[ending].closeCode,
};

function readV2(value: unknown): ClientMessage {
  const message = readV1(value);
  if (!isObject(value)) return message;
  if (message.type === 'call') return withExtras(message, value);
  if (value['attach'] !== undefined) return readAttach(value);
  if (value['signal'] === 'detach') return { type: 'detach' };
  if (value['signal'] !== 'resize') return message;
  const size = readSize(value);
  return size === undefined ? { type: 'junk' } : { type: 'resize', size };
}

/** `after` and `last` exclude each other. */
function readAttach({ attach: run, after, last, input }: Readonly<Record<string, unknown>>): ClientMessage {
  if (!isRunId(run) || !isCountOrAbsent(after) || !isCountOrAbsent(last) || (after !== undefined && last !== undefined)) return { type: 'junk' };
  if (input !== undefined && typeof input !== 'boolean') return { type: 'junk' };
  return { type: 'attach', run, ...(after !== undefined && { after }), ...(last !== undefined && { last }), ...(input !== undefined && { input }) };
}

function withExtras(message: ClientMessage & { type: 'call' }, value: Readonly<Record<string, unknown>>): ClientMessage {
  const { run, terminal, after, onDisconnect } = value;
  if (run !== undefined && !isRunId(run)) return { type: 'junk' };
  if (!isCountOrAbsent(after) || (onDisconnect !== undefined && typeof onDisconnect !== 'string')) return { type: 'junk' };
  const size = terminal === undefined ? undefined : readSize(terminal);
  if (terminal !== undefined && size === undefined) return { type: 'junk' };
  return {
    ...message, ...(run !== undefined && { run }), ...(size !== undefined && { terminal: size }), ...(after !== undefined && { after }),
    ...(onDisconnect !== undefined && { onDisconnect }),
  };
}

function isRunId(value: unknown): value is string {
  return typeof value === 'string' && runIdPattern.test(value);
}

function isCountOrAbsent(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0);
}

function readSize(value: unknown): TerminalSize | undefined {
  if (!isObject(value)) return undefined;
  const { cols, rows } = value;
  return isSide(cols) && isSide(rows) ? { cols, rows } : undefined;
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= terminalSizeMax;
}

const before = new TextEncoder().encode('{"event":');
const after = new TextEncoder().encode('}');

/** The log holds events as JSON text already; parsing and printing them again for every watcher would be waste. */
function wrap(json: Uint8Array): Uint8Array {
  const message = new Uint8Array(before.length + json.length + after.length);
  message.set(before, 0);
  message.set(json, before.length);
  message.set(after, before.length + json.length);
  return message;
}
