// Encodes lines for an event stream (HTML standard, 9.2): an id, a kind, and the line as a JSON text. JSON escapes line
// terminators, so a line with `\r` arrives unchanged.

import { type OutputEntry, readText } from '../../runs/log/entry.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;

const opening = Buffer.from('id: ');
const middle = Buffer.from('\nevent: line\ndata: "');
const closing = Buffer.from('"\n\n');
/** Size of an event without its line: the fields above, and space for the digits of the line number. */
const frameBytes = opening.length + middle.length + closing.length + 16;

/** Encodes one event per line of an entry. With `encodeOnce`, all streams of a run write the same bytes. */
export function encodeLineEvents(entry: OutputEntry): Buffer {
  return encode(readText(entry), entry.start.line + 1);
}

/**
 * Encodes one message. A message without an id does not move the client's cursor. `json` must not contain a newline.
 */
export function encodeMessage(kind: string, json: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${json}\n\n`;
}

function encode(lines: Buffer, first: number): Buffer {
  let out: Buffer = Buffer.allocUnsafeSlow(lines.length + 64 * frameBytes);
  let to = 0;
  let number = first;
  let start = 0;
  for (let at = lines.indexOf(newline); at !== -1; at = lines.indexOf(newline, start), number++) {
    const end = at > start && lines[at - 1] === carriageReturn ? at - 1 : at;
    const escaped = isPlain(lines, start, end)
      ? undefined
      : Buffer.from(JSON.stringify(lines.toString('utf8', start, end)).slice(1, -1));
    const length = frameBytes + (escaped?.length ?? end - start);
    if (to + length > out.length) out = growBuffer(out, to, length);
    to = appendBytes(out, opening, to);
    to = appendNumber(out, number, to);
    to = appendBytes(out, middle, to);
    to += escaped === undefined ? lines.copy(out, to, start, end) : escaped.copy(out, to);
    to = appendBytes(out, closing, to);
    start = at + 1;
  }
  return out.subarray(0, to);
}

function growBuffer(out: Buffer, used: number, more: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * out.length, used + more));
  out.copy(larger, 0, 0, used);
  return larger;
}

/** Returns whether JSON writes these UTF-8 bytes without escapes. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < space || byte === quote || byte === backslash) return false;
  }
  return true;
}

function appendBytes(out: Buffer, bytes: Buffer, to: number): number {
  for (let at = 0; at < bytes.length; at++) out[to + at] = bytes[at]!;
  return to + bytes.length;
}

/** Writes the digits of a whole number without creating a string, because this runs once per line. */
function appendNumber(out: Buffer, number: number, to: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  for (let at = to + digits - 1, rest = number; at >= to; at--, rest = Math.floor(rest / 10))
    out[at] = 0x30 + (rest % 10);
  return to + digits;
}
