// Encodes output and control messages as websocket frames (RFC 6455, 5.2; a server does not mask).
//
// The frames of a log entry are built once and shared by all sessions. The kernel frames a line of 80 bytes in about 16
// ns. Regions that are too long for the kernel are framed here, at about 45 ns per line.

import { isUtf8 } from 'node:buffer';
import { encodeDataFrame } from '../../../protocol/data-frame.ts';
import { type Encoding, type OutputEntry, readText } from '../../runs/log/entry.ts';
import { acquireBuffer, releaseBuffer } from '../../support/buffer-pool.ts';
import { fitsKernel, instantiateKernel, kernelBytes, loadRegion, outputAt } from '../../support/kernel/line-kernel.ts';
import { framingKernelBytes } from './framing-kernel-bytes.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const finText = 0x81;
const finBinary = 0x82;

const frameInKernel = instantiateKernel(framingKernelBytes, 'frame');
/** The kernel writes a nonzero value here if it has seen a byte of 0x80 or above. */
const nonAsciiFlag = new Uint32Array(kernelBytes.buffer, 0, 1);

/** Below this length, a loop of 4-byte moves is faster than copyWithin. */
const shortLine = 64;

/** Line ends of the current region; grows to the largest region seen. */
let lineEnds = new Uint32Array(1 << 13);

/** The text frames of a log entry. */
export class TextFrames implements Encoding {
  readonly bytes: Buffer;
  /** True if a socket may still use the buffer. Then it is never reused, and the garbage collector frees it. */
  pinned = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  release(): void {
    if (!this.pinned) releaseBuffer(this.bytes);
  }
}

/** Encodes one frame per line, or one frame for a terminal chunk. Use it through `encodeOnce`. */
export function encodeTextFrames(entry: OutputEntry): TextFrames {
  return new TextFrames(entry.type === 'lines' ? frameLines(entry.pieces) : frameText(readText(entry)));
}

/** Encodes the bytes of an entry as one binary frame, unchanged. Use it through `encodeOnce`. */
export function encodeDataFrames({ pieces }: OutputEntry): TextFrames {
  return new TextFrames(frameBinary(encodeDataFrame(Buffer.concat(pieces))));
}

/**
 * Encodes one text frame per line of a region. The pieces follow each other and hold whole lines, each ended by `\n`.
 *
 * Drops the `\n` and one `\r` before it, and replaces invalid UTF-8 by U+FFFD. Returns all frames in one buffer, which
 * `releaseBuffer` makes reusable.
 */
export function frameLines(pieces: readonly Uint8Array[]): Buffer {
  if (!fitsKernel(pieces)) return frameLong(pieces);
  const { beyondAscii, region, frames } = frameRegion(pieces);
  // Check all pieces together, because a character may start in one piece and end in the next.
  if (beyondAscii && !isUtf8(region)) return frameLines([repair(region)]);
  const out = acquireBuffer(frames.length);
  out.set(frames);
  return out;
}

/** Encodes `bytes` as one text frame and replaces invalid UTF-8. */
export function frameText(bytes: Uint8Array): Buffer {
  return frame(finText, isUtf8(bytes) ? bytes : repair(bytes));
}

export function frameBinary(bytes: Uint8Array): Buffer {
  return frame(finBinary, bytes);
}

/** Views of the kernel's memory, valid until the next use of a kernel. */
export interface FramedRegion {
  readonly region: Uint8Array;
  /** One text frame per line. Invalid UTF-8 is copied unchanged. */
  readonly frames: Uint8Array;
  /** False: all bytes are below 0x80. True: some bytes may be 0x80 or above. */
  readonly beyondAscii: boolean;
}

/** Frames whole lines from pieces that follow each other, at most `kernelBytesMax` bytes in total. */
export function frameRegion(pieces: readonly Uint8Array[]): FramedRegion {
  const { start, end } = loadRegion(pieces);
  const framesEnd = frameInKernel(start, end, outputAt);
  return {
    region: kernelBytes.subarray(start, end),
    frames: kernelBytes.subarray(outputAt, framesEnd),
    beyondAscii: nonAsciiFlag[0] !== 0,
  };
}

/**
 * Frames regions of any length, like the kernel. Copies the region to the end of the output once, then moves each line
 * forward to its place after its header.
 *
 * Writing never overtakes reading: for lines below 64 KiB, a header has at most 4 bytes, 3 more than the newline it
 * replaces. For each longer line, the output reserves 6 bytes more.
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
  return isUtf8(region) ? moveLines(out, headroom, lines) : frameLines([repair(region)]);
}

/**
 * Replaces invalid UTF-8. A newline byte is never part of another character, so one pass repairs each line
 * independently.
 */
function repair(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'), 'utf8');
}

/** Writes the positions of all line ends to `lineEnds`. */
function measure(pieces: readonly Uint8Array[]): { bytes: number; lines: number } {
  let bytes = 0;
  let lines = 0;
  for (const piece of pieces) {
    lines = findEnds(piece, lines, bytes);
    bytes += piece.length;
  }
  return { bytes, lines };
}

/**
 * Moves the lines from `start` to the beginning of `out`, each after its header. `lineEnds` has the positions of their
 * ends.
 */
function moveLines(out: Buffer, start: number, lines: number): Buffer {
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  const wordsUntil = out.length - 4;
  let to = 0;
  let from = start;
  for (let i = 0; i < lines; i++) {
    const next = lineEnds[i]! + start + 1;
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

/**
 * Adds the line ends of `piece` to `lineEnds`, after the first `count`. The piece begins at `base` in the region.
 * Returns the new count.
 */
function findEnds(piece: Uint8Array, count: number, base: number): number {
  let found = count;
  for (let at = piece.indexOf(newline); at !== -1; at = piece.indexOf(newline, at + 1)) {
    if (found === lineEnds.length) {
      const larger = new Uint32Array(lineEnds.length * 2);
      larger.set(lineEnds);
      lineEnds = larger;
    }
    lineEnds[found++] = base + at;
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
