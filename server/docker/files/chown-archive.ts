// Changes the owner of every entry of a tar archive. Only headers change; contents stay the same.
//
// Source: POSIX.1-2001 pax interchange format: blocks of 512 bytes, one header before each file.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { UserIds } from './container-user.ts';

const blockBytes = 512;
/** Maximum size of a pax header. Larger ones are ignored. */
const paxBytesMax = 1 << 20;

const field = { uid: [108, 8], gid: [116, 8], size: [124, 12], sum: [148, 8] } as const;
const typeAt = 156;
/** Type of an extended header, which describes the next entry, including its size. */
const paxType = 'x'.charCodeAt(0);

/** Returns the same archive with all entries owned by `owner`. */
export async function* chownArchive(archive: Archive, owner: UserIds): AsyncGenerator<Uint8Array, void, void> {
  const rewriter = new OwnerRewriter(owner);
  for await (const chunk of archive) yield* rewriter.transform(chunk);
}

class OwnerRewriter {
  readonly #owner: UserIds;
  readonly #header = Buffer.alloc(blockBytes);
  #headerFilled = 0;
  /** Bytes before the next header. */
  #remaining = 0;
  /** Content of the current extended header, while it is being read. */
  #pax: Buffer[] | undefined;
  /** Size of the next entry, if an extended header has set it. */
  #paxSize: number | undefined;

  constructor(owner: UserIds) {
    this.#owner = owner;
  }

  *transform(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#remaining > 0) {
        const content = chunk.subarray(at, at + this.#remaining);
        this.#remaining -= content.length;
        at += content.length;
        this.#collectPax(content);
        yield content;
        continue;
      }
      const taken = Math.min(blockBytes - this.#headerFilled, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + taken), this.#headerFilled);
      this.#headerFilled += taken;
      at += taken;
      if (this.#headerFilled < blockBytes) return;
      this.#headerFilled = 0;
      yield this.#rewriteHeader();
    }
  }

  /** Returns the header with the new owner and remembers how many bytes follow it. */
  #rewriteHeader(): Buffer {
    const header = Buffer.from(this.#header);
    // A block of zeros is not a header: two of them end an archive.
    if (header.every((byte) => byte === 0)) return header;
    const size = this.#paxSize ?? readNumber(header, field.size);
    this.#paxSize = undefined;
    this.#remaining = Math.ceil(size / blockBytes) * blockBytes;
    this.#pax = header[typeAt] === paxType && size <= paxBytesMax ? [] : undefined;
    writeNumber(header, field.uid, this.#owner.uid);
    writeNumber(header, field.gid, this.#owner.gid);
    header.write(`${computeChecksum(header).toString(8).padStart(6, '0')}\0 `, field.sum[0], 'latin1');
    return header;
  }

  #collectPax(content: Uint8Array): void {
    if (this.#pax === undefined) return;
    this.#pax.push(Buffer.from(content));
    if (this.#remaining > 0) return;
    const size = /(?:^|\n)\d+ size=(\d+)\n/.exec(Buffer.concat(this.#pax).toString('latin1'))?.[1];
    this.#paxSize = size === undefined ? undefined : Number(size);
    this.#pax = undefined;
  }
}

type Field = readonly [at: number, bytes: number];

/** Reads a number of a header: octal digits, or a binary number if the first bit is set. */
function readNumber(header: Buffer, [at, bytes]: Field): number {
  if ((header[at]! & 0x80) !== 0) return header.readUIntBE(at + bytes - 6, 6);
  return Number.parseInt(header.toString('latin1', at, at + bytes).replace(/[\0 ]+/g, ''), 8) || 0;
}

function writeNumber(header: Buffer, [at, bytes]: Field, value: number): void {
  const digits = value.toString(8);
  if (digits.length < bytes) header.write(`${digits.padStart(bytes - 1, '0')}\0`, at, 'latin1');
  else {
    header.fill(0, at, at + bytes);
    header.writeUIntBE(value, at + bytes - 6, 6);
    header[at] = 0x80;
  }
}

/** Returns the sum of all bytes of the header, with spaces in place of the checksum field. */
function computeChecksum(header: Buffer): number {
  const [from, length] = field.sum;
  return header.reduce((sum, byte, at) => sum + (at >= from && at < from + length ? 0x20 : byte), 0);
}
