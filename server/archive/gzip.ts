// Compresses and decompresses archives.

import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ArchiveError } from './archive-error.ts';

export function compress(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  return pipeThrough(pieces, createGzip());
}

const otherFormats = [
  { name: 'xz', begins: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'zstd', begins: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'bzip2', begins: [0x42, 0x5a, 0x68] },
  { name: 'zip', begins: [0x50, 0x4b, 0x03, 0x04] },
] as const;
const gzipMagic = [0x1f, 0x8b];
const magicBytesMax = 5;

/**
 * Yields the uncompressed archive, whether or not the input is gzipped. Throws ArchiveError if the input is empty,
 * broken, or compressed in another format.
 */
export async function* decompress(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  try {
    const start = await firstBytes(iterator);
    if (start.length === 0) throw new ArchiveError('there is no archive: received no data');
    const format = otherFormats.find(({ begins }) => startsWith(start, begins));
    if (format !== undefined)
      throw new ArchiveError(`the archive has the format ${format.name}: send tar, or tar with gzip`);
    const archive = prepend(start, iterator);
    yield* startsWith(start, gzipMagic) ? pipeThrough(archive, createGunzip()) : archive;
  } finally {
    closeWithoutWaiting(iterator);
  }
}

/** Closes an iterator without waiting, because the iterator may be waiting for a chunk that never arrives. */
function closeWithoutWaiting(iterator: AsyncIterator<Uint8Array>): void {
  iterator.return?.().catch(() => {});
}

function startsWith(bytes: Uint8Array, begins: readonly number[]): boolean {
  return begins.every((byte, at) => bytes[at] === byte);
}

async function firstBytes(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let start = Buffer.alloc(0);
  while (start.length < magicBytesMax) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    start = Buffer.concat([start, value]);
  }
  return start;
}

async function* prepend(start: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
}

/**
 * Feeds `pieces` to `transform` and yields the output. Closes `pieces` and `transform` at the end, also if the consumer
 * stops early.
 */
async function* pipeThrough(pieces: AsyncIterable<Uint8Array>, transform: Duplex): AsyncGenerator<Uint8Array> {
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: 64 << 10 });
  const result = new PassThrough({ highWaterMark: 64 << 10 });
  // Ignore the error here, because `result` fails with the same error. Do not wait, for the same reason as in
  // `closeWithoutWaiting`.
  pipeline(source, transform, result).catch(() => {});
  try {
    for await (const piece of result) yield piece as Uint8Array;
  } catch (error) {
    throw errorCode(error)?.startsWith('Z_') === true
      ? new ArchiveError('the archive is broken: its gzip data is invalid or incomplete', { cause: error })
      : error;
  } finally {
    result.destroy();
  }
}

function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
