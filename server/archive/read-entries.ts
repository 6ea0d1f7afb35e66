// Reads the entries of a tar archive as a stream.

import { type Extract, extract, type Header } from 'tar-stream';
import { ArchiveError } from './archive-error.ts';

/**
 * Names and targets are byte strings with one character per byte (`latin1`), because file names are arbitrary bytes.
 * `shown` is for messages.
 */
export interface ArchiveEntry {
  readonly name: string;
  readonly shown: string;
  /** True if the parser could not decode the name or the target, because it is not UTF-8. Some bytes are lost then. */
  readonly lost: boolean;
  /** Kind of an entry. `device` includes pipes. `unknown` is an unsupported type, such as a sparse file. */
  readonly kind: 'file' | 'folder' | 'link' | 'hard-link' | 'device' | 'unknown';
  readonly target: string;
  readonly mode: number;
  /** Time of modification, in seconds since 1970. */
  readonly mtime: number;
  readonly size: number;
  /** Content of a file. Read it before requesting the next entry, or not at all. */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Yields the entries of a tar archive. Throws ArchiveError if the bytes are not a tar archive, or if the archive is
 * broken or cut off. Throws the errors of `pieces` unchanged.
 */
export async function* readEntries(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry> {
  const parser = extract({ filenameEncoding: 'latin1', allowUnknownFormat: true } as object);
  const feeder = new ParserFeeder(parser);
  // Do not wait: if the caller stops early, the source may be waiting for a chunk that never arrives.
  void feeder.feed(pieces);
  try {
    for await (const source of parser) {
      yield toEntry(source.header, entryContent(source as AsyncIterable<Uint8Array>, feeder));
      if (!source.destroyed) for await (const _rest of source);
    }
  } catch (error) {
    throw feeder.toArchiveError(error);
  } finally {
    parser.destroy();
  }
}

/** Yields the content of an entry and converts errors. */
async function* entryContent(content: AsyncIterable<Uint8Array>, feeder: ParserFeeder): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    throw feeder.toArchiveError(error);
  }
}

/** Writes the chunks to the parser, no faster than the parser takes them. */
class ParserFeeder {
  readonly #parser: Extract;
  /** The first error of `pieces` or of the parser. */
  #failure: unknown;
  /** Number of zeros at the end of the data so far. Counts up to the size of the end marker. */
  #trailingZeros = 0;

  constructor(parser: Extract) {
    this.#parser = parser;
    // Iterating over an entry reports only that the entry was destroyed, so keep the original error.
    parser.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  /** Returns the error to throw when an iteration has thrown `error`. */
  toArchiveError(error: unknown): unknown {
    const first = this.#failure ?? error;
    const text =
      first instanceof Error ? parserErrors.find(([pattern]) => pattern.test(first.message))?.[1] : undefined;
    return text === undefined ? first : new ArchiveError(text, { cause: first });
  }

  async feed(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of pieces) {
        if (this.#parser.destroyed) return;
        this.#countTrailingZeros(piece);
        if (!this.#parser.write(piece)) await this.#waitForDrain();
      }
      // Without this check, an archive cut off between two entries would pass for a shorter one.
      if (this.#trailingZeros < endMarkerBytes)
        throw new ArchiveError('the archive is cut off: its end marker is missing');
      this.#parser.end(null);
    } catch (error) {
      this.#failure = error;
      this.#parser.destroy(error as Error);
    }
  }

  #countTrailingZeros(piece: Uint8Array): void {
    let zeros = 0;
    while (zeros < endMarkerBytes && zeros < piece.length && piece[piece.length - 1 - zeros] === 0) zeros++;
    this.#trailingZeros = zeros === piece.length ? this.#trailingZeros + zeros : zeros;
  }

  #waitForDrain(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#parser.off('drain', done);
        this.#parser.off('close', done);
        resolve();
      };
      this.#parser.on('drain', done);
      this.#parser.on('close', done);
    });
  }
}

/** Size of the shortest accepted end marker: one block. The format demands two blocks, but some programs write one. */
const endMarkerBytes = 512;

function toEntry(header: Header, content: AsyncIterable<Uint8Array>): ArchiveEntry {
  const pax = (header.pax ?? {}) as { readonly path?: string; readonly linkpath?: string };
  const name = pax.path === undefined ? header.name : encodeName(pax.path);
  const target = pax.linkpath === undefined ? ((header.linkname as string | null) ?? '') : encodeName(pax.linkpath);
  const seconds = header.mtime.getTime() / 1000;
  return {
    name,
    target,
    content,
    shown: decodeName(name),
    lost: [pax.path, pax.linkpath].some((text) => text?.includes('\uFFFD') === true),
    kind: kinds[header.type] ?? 'unknown',
    size: header.size,
    mode: Number.isInteger(header.mode) ? header.mode : 0o644,
    mtime: Number.isFinite(seconds) ? seconds : 0,
  };
}

const kinds: Partial<Record<Header['type'], ArchiveEntry['kind']>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'folder',
  symlink: 'link',
  link: 'hard-link',
  'character-device': 'device',
  'block-device': 'device',
  fifo: 'device',
};

/** Returns the bytes of a name that the parser has decoded. */
function encodeName(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Converts a byte string to readable text. */
export function decodeName(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Errors of the parser and the texts that users read instead. */
const parserErrors: readonly (readonly [RegExp, string])[] = [
  [/^Invalid tar header/, 'this is not a tar archive, or it is broken'],
  [/^Unexpected end of data$/, 'the archive is cut off'],
  [/^Invalid header$|^Header exceeds max size$/, 'the archive is broken'],
];
