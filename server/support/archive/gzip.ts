// Archives compressed and not.

import { pipeline } from 'node:stream/promises';
import { PassThrough, Readable, type Duplex } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { ArchiveError } from './archive-error.ts';

export function gzipped(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  return through(pieces, createGzip());
}

const forms = [
  { name: 'xz', begins: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'zstd', begins: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'bzip2', begins: [0x42, 0x5a, 0x68] },
  { name: 'zip', begins: [0x50, 0x4b, 0x03, 0x04] },
] as const;
const gzipBegins = [0x1f, 0x8b];
const tellsBytes = 5;

/** The plain archive, whether it is gzipped or not. Throws ArchiveError when it is compressed in another way, broken, or empty. */
export async function* plain(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const rest = pieces[Symbol.asyncIterator]();
  try {
    const start = await firstBytes(rest);
    if (start.length === 0) throw new ArchiveError('there is no archive: not a byte came');
    const other = forms.find(({ begins }) => beginsWith(start, begins));
    if (other !== undefined) throw new ArchiveError(`the archive is in the form ${other.name}: send tar, or tar with gzip`);
    const whole = joined(start, rest);
    yield* beginsWith(start, gzipBegins) ? through(whole, createGunzip()) : whole;
  } finally {
    giveUp(rest);
  }
}

/** Not waited for: it may be in the middle of waiting for a piece that never comes. */
function giveUp(rest: AsyncIterator<Uint8Array>): void {
  rest.return?.().catch(() => {});
}

function beginsWith(bytes: Uint8Array, begins: readonly number[]): boolean {
  return begins.every((byte, at) => bytes[at] === byte);
}

async function firstBytes(rest: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let start = Buffer.alloc(0);
  while (start.length < tellsBytes) {
    const { value, done } = await rest.next();
    if (done === true) break;
    start = Buffer.concat([start, value]);
  }
  return start;
}

async function* joined(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** What comes out of `transform` when it is fed `pieces`; both are ended when this is. */
async function* through(pieces: AsyncIterable<Uint8Array>, transform: Duplex): AsyncGenerator<Uint8Array> {
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: 64 << 10 });
  const result = new PassThrough({ highWaterMark: 64 << 10 });
  // Its failure is that of `result`, too; and it is not waited for, as `giveUp`.
  pipeline(source, transform, result).catch(() => {});
  try {
    for await (const piece of result) yield piece as Uint8Array;
  } catch (error) {
    throw codeOf(error)?.startsWith('Z_') === true ? new ArchiveError('the archive is broken: its gzip form cannot be read to its end', { cause: error }) : error;
  } finally {
    result.destroy();
  }
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
