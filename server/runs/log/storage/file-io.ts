// Reads and writes complete ranges of an open file. A single system call may transfer less than requested.

import fs from 'node:fs';
import { promisify } from 'node:util';

const writev = promisify(fs.writev);
const read = promisify(fs.read);

export const open = promisify(fs.open);
export const close = promisify(fs.close);
export const fstat = promisify(fs.fstat) as (file: number) => Promise<fs.Stats>;
export const ftruncate = promisify(fs.ftruncate) as (file: number, length: number) => Promise<void>;

/** Number of buffers per writev call. The kernel accepts 1024 (IOV_MAX). */
const piecesMax = 64;

export async function writeAll(file: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let from = 0; from < pieces.length; from += piecesMax)
    await writeSome(file, pieces.slice(from, from + piecesMax));
}

/** Writes at a position, in a file that is not open for appending. */
export async function writeAt(file: number, position: number, pieces: readonly Uint8Array[]): Promise<void> {
  let at = position;
  for (let from = 0; from < pieces.length; from += piecesMax) {
    const some = pieces.slice(from, from + piecesMax);
    await writeSome(file, some, at);
    at += some.reduce((sum, piece) => sum + piece.length, 0);
  }
}

/** Fills `into` from a position of the file. Returns a view of it, which is shorter only at the end of the file. */
export async function readAt(file: number, position: number, into: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await read(file, into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return into.subarray(0, filled);
}

/**
 * Writes all buffers, at the end of the file if there is no position. A single writev may write less, for example when
 * the disk fills up.
 */
async function writeSome(file: number, pieces: readonly Uint8Array[], position?: number): Promise<void> {
  let at = position;
  for (let rest = pieces; rest.length > 0; ) {
    const { bytesWritten } = await writev(file, rest, at);
    rest = dropBytes(rest, bytesWritten);
    if (at !== undefined) at += bytesWritten;
  }
}

function dropBytes(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
