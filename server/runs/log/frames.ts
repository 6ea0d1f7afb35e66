// Websocket text frames from a region of whole lines, built once for all watchers (RFC 6455, 5.2; the server does not mask).
// The kernel does it in one pass, at about 16 ns for a line of 80 bytes; what is too long for it is done here, at about 45.

import { isUtf8 } from 'node:buffer';
import { kernelBytesMax, pass, type Pass } from './kernel.ts';
import { lend } from './pool.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const finText = 0x81;
const finBinary = 0x82;

/** Below this length a loop of 4-byte moves beats the call into copyWithin. */
const shortLine = 64;

/** Line ends found in the region at hand; grows to the largest region seen. */
let ends = new Uint32Array(1 << 13);

/** What the kernel has in its memory: the frames of a batch are mostly asked for right after its lines were counted. */
let passed: { readonly pieces: readonly Uint8Array[]; readonly pass: Pass } | undefined;

export function countLines(region: Uint8Array): number {
  return countPieces([region]);
}

/** As `countLines`, for a region that comes in pieces. When its frames are wanted next, they are there. */
export function countPieces(pieces: readonly Uint8Array[]): number {
  return fits(pieces) ? passOf(pieces).lines : measure(pieces).lines;
}

function fits(pieces: readonly Uint8Array[]): boolean {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes <= kernelBytesMax;
}

function passOf(pieces: readonly Uint8Array[]): Pass {
  if (passed === undefined || !isSame(passed.pieces, pieces)) passed = { pieces, pass: pass(pieces) };
  return passed.pass;
}

/** Output is not changed any more once it is here, so the same arrays hold the same bytes. */
function isSame(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return some.length === others.length && some.every((piece, i) => piece === others[i]);
}

/**
 * One text frame per line of `region`, which holds whole lines, each ended by `\n`. The `\n` and one `\r` before it are dropped.
 * Bytes that are not UTF-8 become U+FFFD. The frames stand behind one another in one buffer.
 */
export function frameLines(region: Uint8Array): Buffer {
  return frameRegions([region]);
}

/** As `frameLines`, for a region that comes in pieces. Whoever is the last to need the frames may give them back (`giveBack`). */
export function frameRegions(pieces: readonly Uint8Array[]): Buffer {
  if (!fits(pieces)) return frameLong(pieces);
  const { beyondAscii, input, frames } = passOf(pieces);
  // Only the whole can be judged: a character may begin in one piece and end in the next.
  if (beyondAscii && !isUtf8(input)) return frameRegions([repair(input)]);
  const out = lend(frames.length);
  out.set(frames);
  return out;
}

/**
 * As the kernel, but of any length. The region is copied to the end of the output once, and its lines are moved forward from there to
 * behind their headers. A header is at most 4 bytes for lines below 64 KiB, 3 more than the newline it replaces, so the place written never
 * overtakes the place read.
 */
function frameLong(pieces: readonly Uint8Array[]): Buffer {
  const { bytes, lines } = measure(pieces);
  const headroom = 3 * lines + 6 * Math.floor(bytes / 0x10000) + 8;
  const out = Buffer.allocUnsafeSlow(headroom + bytes);
  let at = headroom;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  const region = out.subarray(headroom);
  return isUtf8(region) ? moveLines(out, headroom, lines) : frameRegions([repair(region)]);
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

/** Leaves the ends of all lines in `ends`. */
function measure(pieces: readonly Uint8Array[]): { bytes: number; lines: number } {
  let bytes = 0;
  let lines = 0;
  for (const piece of pieces) {
    lines = findEnds(piece, lines, bytes);
    bytes += piece.length;
  }
  return { bytes, lines };
}

/** Moves the lines, whose ends are in `ends`, from `start` to the beginning of `out`, each behind its header. */
function moveLines(out: Buffer, start: number, lines: number): Buffer {
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  const wordsUntil = out.length - 4;
  let to = 0;
  let from = start;
  for (let i = 0; i < lines; i++) {
    const next = ends[i]! + start + 1;
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

/** Of a frame of ours, a view of what it carries. */
export function payloadOf(frame: Uint8Array): Uint8Array {
  const short = frame[1]!;
  return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
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
