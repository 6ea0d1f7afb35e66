// Websocket text frames from a region of whole lines, built once for all watchers (RFC 6455, 5.2; the server does not mask).
// This is the hot loop of the gateway: about 40 ns for a line of 80 bytes, most of it memory traffic.

import { isUtf8 } from 'node:buffer';

const newline = 0x0a;
const carriageReturn = 0x0d;
const finText = 0x81;
const finBinary = 0x82;

/** Below this length a loop of 4-byte moves beats the call into copyWithin. */
const shortLine = 64;

/** Line ends found in the region at hand; grows to the largest region seen. */
let ends = new Uint32Array(1 << 13);

/** The region whose line ends are in `ends`, counted from its start; the frames of a batch are mostly built right after its lines were counted. */
let counted: { readonly region: Uint8Array; readonly lines: number } | undefined;

export function countLines(region: Uint8Array): number {
  counted = undefined;
  const lines = findEnds(region, 0, 0);
  counted = { region, lines };
  return lines;
}

/**
 * One text frame per line of `region`, which holds whole lines, each ended by `\n`. The `\n` and one `\r` before it are dropped.
 * Bytes that are not UTF-8 become U+FFFD. The frames stand behind one another in one buffer.
 */
export function frameLines(region: Uint8Array): Buffer {
  return frameRegions([region]);
}

/**
 * As `frameLines`, for a region that comes in pieces. It is copied to the end of the output once, and its lines are moved forward from there to
 * behind their headers. A header is at most 4 bytes for lines below 64 KiB, 3 more than the newline it replaces, so the place written never
 * overtakes the place read.
 */
export function frameRegions(pieces: readonly Uint8Array[]): Buffer {
  const { bytes, lines, base } = measure(pieces);
  const headroom = 3 * lines + 6 * Math.floor(bytes / 0x10000) + 8;
  const out = Buffer.allocUnsafeSlow(headroom + bytes);
  let at = headroom;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  const region = out.subarray(headroom);
  // Only the whole can be judged: a character may begin in one piece and end in the next.
  return isUtf8(region) ? moveLines(out, headroom, { lines, base: headroom + base }) : frameRegions([repair(region)]);
}

/** The whole of `bytes` as one text frame, broken UTF-8 repaired. */
export function frameText(bytes: Uint8Array): Buffer {
  return frame(finText, isUtf8(bytes) ? bytes : repair(bytes));
}

export function frameBinary(bytes: Uint8Array): Buffer {
  return frame(finBinary, bytes);
}

/** A newline is never part of a longer character, so repairing a region repairs each of its lines alone. */
function repair(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'), 'utf8');
}

/** Leaves the ends of all lines in `ends`, counted from `base` bytes after the start. */
function measure(pieces: readonly Uint8Array[]): { bytes: number; lines: number; base: number } {
  const before = pieces.slice(0, -1);
  const base = before.reduce((sum, piece) => sum + piece.length, 0);
  const last = pieces.at(-1);
  // What comes before is mostly the beginning of a line that the stream was cut in.
  if (last !== undefined && last === counted?.region && !before.some((piece) => piece.includes(newline))) {
    return { bytes: base + last.length, lines: counted.lines, base };
  }
  counted = undefined;
  let bytes = 0;
  let lines = 0;
  for (const piece of pieces) {
    lines = findEnds(piece, lines, bytes);
    bytes += piece.length;
  }
  return { bytes, lines, base: 0 };
}

/** Moves the lines, whose ends are in `ends` counted from `base`, from `start` to the beginning of `out`, each behind its header. */
function moveLines(out: Buffer, start: number, { lines, base }: { readonly lines: number; readonly base: number }): Buffer {
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  const wordsUntil = out.length - 4;
  let to = 0;
  let from = start;
  for (let i = 0; i < lines; i++) {
    const next = ends[i]! + base + 1;
    let end = next - 1;
    if (end > from && out[end - 1] === carriageReturn) end--;
    const length = end - from;
    to = writeHeader(out, to, finText, length);
    if (length < shortLine && end <= wordsUntil) {
      for (let read = from, write = to; read < end; read += 4, write += 4) view.setInt32(write, view.getInt32(read));
    } else {
      out.copyWithin(to, from, end);
    }
    to += length;
    from = next;
  }
  return out.subarray(0, to);
}

/** Adds the line ends of `piece` to `ends` behind the first `count`, counted from `base` bytes before it. Gives how many there are now. */
function findEnds(piece: Uint8Array, count: number, base: number): number {
  let found = count;
  for (let at = piece.indexOf(newline); at !== -1; at = piece.indexOf(newline, at + 1)) {
    if (found === ends.length) {
      const larger = new Uint32Array(ends.length * 2);
      larger.set(ends);
      ends = larger;
    }
    ends[found++] = base + at;
  }
  return found;
}

function frame(opcode: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafeSlow(payload.length + 10);
  const start = writeHeader(out, 0, opcode, payload.length);
  out.set(payload, start);
  return out.subarray(0, start + payload.length);
}

function writeHeader(out: Buffer, at: number, opcode: number, length: number): number {
  out[at] = opcode;
  if (length < 126) {
    out[at + 1] = length;
    return at + 2;
  }
  if (length < 0x10000) {
    out[at + 1] = 126;
    out[at + 2] = length >>> 8;
    out[at + 3] = length & 0xff;
    return at + 4;
  }
  out[at + 1] = 127;
  out.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  out.writeUInt32BE(length >>> 0, at + 6);
  return at + 10;
}
