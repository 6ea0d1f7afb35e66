// The entries of a tar archive, one after the other, as they come.

import { extract, type Extract, type Header } from 'tar-stream';
import { ArchiveError } from './archive-error.ts';

/**
 * Names and targets are byte strings: one character for each byte (`latin1`), as the names of files are bytes and nothing else. `shown` is for people.
 */
export interface Entry {
  readonly name: string;
  readonly shown: string;
  /** `device`: or a pipe. `unknown`: a form that few know, such as that of sparse files. */
  readonly kind: 'file' | 'folder' | 'link' | 'hard-link' | 'device' | 'unknown';
  readonly target: string;
  readonly mode: number;
  /** Seconds. */
  readonly mtime: number;
  readonly size: number;
  /** Of a file. To be read before the next entry is asked for, or not at all. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Throws ArchiveError when it is not a tar archive, broken, or cut off; and whatever reading `pieces` throws. */
export async function* entriesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Entry> {
  const unpacking = extract({ filenameEncoding: 'latin1', allowUnknownFormat: true } as object);
  const feeding = new Feeding(unpacking);
  // Not waited for: when this is dropped, it may be in the middle of waiting for a piece that never comes.
  void feeding.feed(pieces);
  try {
    for await (const source of unpacking) {
      yield entryOf(source.header, told(source as AsyncIterable<Uint8Array>, feeding));
      if (!source.destroyed) for await (const _rest of source) continue;
    }
  } catch (error) {
    throw feeding.reason(error);
  } finally {
    unpacking.destroy();
  }
}

/** The content of an entry, which may break off for the same reasons. */
async function* told(content: AsyncIterable<Uint8Array>, feeding: Feeding): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    throw feeding.reason(error);
  }
}

/** Hands the pieces on, no faster than they are taken. */
class Feeding {
  readonly #unpacking: Extract;
  /** What reading the pieces threw, or what the parser has said of them. */
  #failure: unknown;
  /** Zeros at the end of what has come, as far as they matter. */
  #zeros = 0;

  constructor(unpacking: Extract) {
    this.#unpacking = unpacking;
    // The iterations tell of it, but not always of this one: that of an entry says only that it was destroyed.
    unpacking.on('error', (error) => { this.#failure ??= error; });
  }

  /** What to throw when an iteration has thrown `error`. */
  reason(error: unknown): unknown {
    const first = this.#failure ?? error;
    const words = first instanceof Error ? reasons.find(([pattern]) => pattern.test(first.message))?.[1] : undefined;
    return words === undefined ? first : new ArchiveError(words, { cause: first });
  }

  async feed(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of pieces) {
        if (this.#unpacking.destroyed) return;
        this.#look(piece);
        if (!this.#unpacking.write(piece)) await this.#room();
      }
      // Cut off between two entries it would pass for a shorter archive.
      if (this.#zeros < endBytes) throw new ArchiveError('the archive is cut off: its end is not marked');
      this.#unpacking.end(null);
    } catch (error) {
      this.#failure = error;
      this.#unpacking.destroy(error as Error);
    }
  }

  #look(piece: Uint8Array): void {
    let zeros = 0;
    while (zeros < endBytes && zeros < piece.length && piece[piece.length - 1 - zeros] === 0) zeros++;
    this.#zeros = zeros === piece.length ? this.#zeros + zeros : zeros;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#unpacking.off('drain', done);
        this.#unpacking.off('close', done);
        resolve();
      };
      this.#unpacking.on('drain', done);
      this.#unpacking.on('close', done);
    });
  }
}

/** One block; it should be two, but some write one. */
const endBytes = 512;

function entryOf(header: Header, content: AsyncIterable<Uint8Array>): Entry {
  const pax = (header.pax ?? {}) as { readonly path?: string; readonly linkpath?: string };
  const name = pax.path === undefined ? header.name : bytesOf(pax.path);
  const target = pax.linkpath === undefined ? (header.linkname as string | null) ?? '' : bytesOf(pax.linkpath);
  const seconds = header.mtime.getTime() / 1000;
  return {
    name, target, content, shown: textOf(name), kind: kinds[header.type] ?? 'unknown', size: header.size,
    mode: Number.isInteger(header.mode) ? header.mode : 0o644,
    mtime: Number.isFinite(seconds) ? seconds : 0,
  };
}

const kinds: Partial<Record<Header['type'], Entry['kind']>> = {
  'file': 'file', 'contiguous-file': 'file', 'directory': 'folder', 'symlink': 'link', 'link': 'hard-link',
  'character-device': 'device', 'block-device': 'device', 'fifo': 'device',
};

/** These have been read as text already, which broke those that are none. */
function bytesOf(text: string): string {
  if (text.includes('\uFFFD')) throw new ArchiveError(`the archive has a name that is no UTF-8 where it has to be: ${JSON.stringify(text)}`);
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string for people. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** What the parser says of what it was given, in words for people. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^Invalid tar header/, 'this is no tar archive, or it is broken'],
  [/^Unexpected end of data$/, 'the archive is cut off'],
  [/^Invalid header$|^Header exceeds max size$/, 'the archive is broken'],
];
