// Lines of a log as they stand in an event stream (HTML standard, 9.2): an id, a kind, and the line as a JSON text.
// A JSON text has no line end in it, so a line that holds a `\r` arrives as it is.

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;

const opening = Buffer.from('id: ');
const middle = Buffer.from('\nevent: line\ndata: "');
const closing = Buffer.from('"\n\n');
/** Of a line beside itself: what stands above, and the digits of its number. */
const frameBytes = opening.length + middle.length + closing.length + 16;

/** What was made of a batch's websocket frames, for as long as these are in memory: all streams of a run write the same bytes. */
const encoded = new WeakMap<Buffer, Buffer>();

/** The lines in `frames`, whole unmasked websocket text frames (RFC 6455, 5.2); the first one has the number `first`. */
export function encodeLines(frames: Buffer, first: number): Buffer {
  const known = encoded.get(frames);
  if (known !== undefined) return known;
  const made = encode(frames, first);
  encoded.set(frames, made);
  return made;
}

/** How many lines there are in `frames`. */
export function countFrames(frames: Buffer): number {
  let count = 0;
  for (let at = 0; at < frames.length; count++) at = payloadStart(frames, at) + payloadLength(frames, at);
  return count;
}

/** One message of the stream. Without an id it leaves the reader's cursor where it is. `json` has no line end in it. */
export function encodeMessage(kind: string, json: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${json}\n\n`;
}

function encode(frames: Buffer, first: number): Buffer {
  let out: Buffer = Buffer.allocUnsafeSlow(frames.length + 64 * frameBytes);
  let to = 0;
  let number = first;
  for (let at = 0; at < frames.length; number++) {
    const start = payloadStart(frames, at);
    const end = start + payloadLength(frames, at);
    const escaped = isPlain(frames, start, end) ? undefined : Buffer.from(JSON.stringify(frames.toString('utf8', start, end)).slice(1, -1));
    const length = frameBytes + (escaped?.length ?? end - start);
    if (to + length > out.length) out = grown(out, to, length);
    to = put(out, opening, to);
    to = putNumber(out, number, to);
    to = put(out, middle, to);
    to += escaped === undefined ? frames.copy(out, to, start, end) : escaped.copy(out, to);
    to = put(out, closing, to);
    at = end;
  }
  return out.subarray(0, to);
}

function grown(out: Buffer, used: number, more: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * out.length, used + more));
  out.copy(larger, 0, 0, used);
  return larger;
}

/** Whether JSON writes these bytes of UTF-8 as they are. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < space || byte === quote || byte === backslash) return false;
  }
  return true;
}

function put(out: Buffer, bytes: Buffer, to: number): number {
  for (let at = 0; at < bytes.length; at++) out[to + at] = bytes[at]!;
  return to + bytes.length;
}

/** The digits of a whole number, without making a string of it: there are as many of them as lines. */
function putNumber(out: Buffer, number: number, to: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  for (let at = to + digits - 1, rest = number; at >= to; at--, rest = Math.floor(rest / 10)) out[at] = 0x30 + (rest % 10);
  return to + digits;
}

function payloadStart(frames: Buffer, at: number): number {
  const length = frames[at + 1]!;
  return at + (length < 126 ? 2 : length === 126 ? 4 : 10);
}

function payloadLength(frames: Buffer, at: number): number {
  const length = frames[at + 1]!;
  if (length < 126) return length;
  return length === 126 ? frames.readUInt16BE(at + 2) : Number(frames.readBigUInt64BE(at + 2));
}
