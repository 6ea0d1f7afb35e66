// `distillery.v2`: v1, and with it run announcements, events, input credit, terminal sizes, and results that tell all.

import { decodeJson, encodeJson, isObject } from '../codec.ts';
import type { ClientMessage, TerminalSize } from '../messages.ts';
import type { Dialect } from './dialect.ts';
import { readV1 } from './v1.ts';

/** Columns and rows are 16-bit numbers in the kernel (ioctl_tty(2), TIOCSWINSZ); 0 would mean "unknown". */
export const terminalSizeMax = 65_535;

/** Ids that a client may choose for its run; they name a folder. */
export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export const v2: Dialect = {
  name: 'distillery.v2',
  rawTerminals: true,
  hurries: true,
  read: (bytes) => readV2(decodeJson(bytes)),
  result: (result) => encodeJson(result),
  announce: (message) => encodeJson(message),
  credit: (message) => encodeJson(message),
  event: (json) => wrap(json),
};

function readV2(value: unknown): ClientMessage {
  const message = readV1(value);
  if (!isObject(value)) return message;
  if (message.type === 'call') return withExtras(message, value);
  if (value['signal'] !== 'resize') return message;
  const size = readSize(value);
  return size === undefined ? { type: 'junk' } : { type: 'resize', size };
}

function withExtras(message: ClientMessage & { type: 'call' }, value: Readonly<Record<string, unknown>>): ClientMessage {
  const { run, terminal } = value;
  if (run !== undefined && !(typeof run === 'string' && runIdPattern.test(run))) return { type: 'junk' };
  const size = terminal === undefined ? undefined : readSize(terminal);
  if (terminal !== undefined && size === undefined) return { type: 'junk' };
  return { ...message, ...(run !== undefined && { run }), ...(size !== undefined && { terminal: size }) };
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
