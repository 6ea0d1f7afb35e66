// Reading and writing one file by its number, as much as was asked for, whatever a single system call does.

import fs from 'node:fs';
import { promisify } from 'node:util';

const writev = promisify(fs.writev);
const read = promisify(fs.read);

export const open = promisify(fs.open);
export const close = promisify(fs.close);
export const fstat = promisify(fs.fstat) as (file: number) => Promise<fs.Stats>;
export const ftruncate = promisify(fs.ftruncate) as (file: number, length: number) => Promise<void>;

/** At most this many buffers in one writev; the kernel takes 1024 (IOV_MAX). */
const piecesMax = 64;

export async function writeAll(file: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let from = 0; from < pieces.length; from += piecesMax) await writeSome(file, pieces.slice(from, from + piecesMax));
}

/** Fewer bytes than `length` only where the file ends. */
export async function readAt(file: number, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await read(file, buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** writev may write less than it was given, for instance when the disk fills up in the middle. */
async function writeSome(file: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let rest = pieces; rest.length > 0;) {
    const { bytesWritten } = await writev(file, rest);
    rest = behind(rest, bytesWritten);
  }
}

function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
