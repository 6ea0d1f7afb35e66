// An archive whose every entry belongs to somebody else than it says. Only headers are touched; what is in the files passes by.
// Source: POSIX.1-2001 pax interchange format: blocks of 512 bytes, a header before each file.

import type { Archive } from '../../calls/contract/containers.ts';
import type { Owner } from './owner.ts';

const blockBytes = 512;
/** Of an entry that is about the next entry; longer ones are no such thing. */
const aboutBytesMax = 1 << 20;

const field = { uid: [108, 8], gid: [116, 8], size: [124, 12], sum: [148, 8] } as const;
const typeAt = 156;
/** Says something about the entry behind it, its size among it. */
const aboutNext = 'x'.charCodeAt(0);

/** The same files, all of them owned by `owner`. */
export async function* owned(archive: Archive, owner: Owner): AsyncGenerator<Uint8Array, void, void> {
  const walk = new Walk(owner);
  for await (const chunk of archive) yield* walk.pieces(chunk);
}

class Walk {
  readonly #owner: Owner;
  readonly #header = Buffer.alloc(blockBytes);
  #headerFilled = 0;
  /** Bytes before the next header. */
  #rest = 0;
  /** What the entry says that is about the next one, while that is read. */
  #about: Buffer[] | undefined;
  /** Of the next entry, if another one said so. */
  #size: number | undefined;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  *pieces(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#rest > 0) {
        const passing = chunk.subarray(at, at + this.#rest);
        this.#rest -= passing.length;
        at += passing.length;
        this.#hear(passing);
        yield passing;
        continue;
      }
      const taken = Math.min(blockBytes - this.#headerFilled, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + taken), this.#headerFilled);
      this.#headerFilled += taken;
      at += taken;
      if (this.#headerFilled < blockBytes) return;
      this.#headerFilled = 0;
      yield this.#changed();
    }
  }

  /** The header with its owner changed; notes how much there is behind it. */
  #changed(): Buffer {
    const header = Buffer.from(this.#header);
    // Two blocks of nothing end an archive.
    if (header.every((byte) => byte === 0)) return header;
    const size = this.#size ?? numberIn(header, field.size);
    this.#size = undefined;
    this.#rest = Math.ceil(size / blockBytes) * blockBytes;
    this.#about = header[typeAt] === aboutNext && size <= aboutBytesMax ? [] : undefined;
    write(header, field.uid, this.#owner.uid);
    write(header, field.gid, this.#owner.gid);
    header.write(`${sumOf(header).toString(8).padStart(6, '0')}\0 `, field.sum[0], 'latin1');
    return header;
  }

  #hear(passing: Uint8Array): void {
    if (this.#about === undefined) return;
    this.#about.push(Buffer.from(passing));
    if (this.#rest > 0) return;
    const size = /(?:^|\n)\d+ size=(\d+)\n/.exec(Buffer.concat(this.#about).toString('latin1'))?.[1];
    this.#size = size === undefined ? undefined : Number(size);
    this.#about = undefined;
  }
}

type Field = readonly [at: number, bytes: number];

/** Octal digits; or, with the first bit set, the number itself. */
function numberIn(header: Buffer, [at, bytes]: Field): number {
  if ((header[at]! & 0x80) !== 0) return header.readUIntBE(at + bytes - 6, 6);
  return Number.parseInt(header.toString('latin1', at, at + bytes).replace(/[\0 ]+/g, ''), 8) || 0;
}

function write(header: Buffer, [at, bytes]: Field, value: number): void {
  const digits = value.toString(8);
  if (digits.length < bytes) header.write(`${digits.padStart(bytes - 1, '0')}\0`, at, 'latin1');
  else {
    header.fill(0, at, at + bytes);
    header.writeUIntBE(value, at + bytes - 6, 6);
    header[at] = 0x80;
  }
}

/** Of all bytes of the header, its own field counted as spaces. */
function sumOf(header: Buffer): number {
  const [from, length] = field.sum;
  return header.reduce((sum, byte, at) => sum + (at >= from && at < from + length ? 0x20 : byte), 0);
}
