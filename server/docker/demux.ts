// Docker's multiplexed stream: frames of an 8-byte header (stream, 0, 0, 0, length as 32 bits big-endian) and that many bytes.
// Source: Docker Engine API, "Attach to a container", stream format.

import type { OutputStream } from '../../calls/contract/ports.ts';

export interface Piece {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
}

const headerBytes = 8;
const streams: readonly (OutputStream | undefined)[] = ['stdout', 'stdout', 'stderr'];

/** One stream being taken apart. Frames and chunks may cut each other anywhere. */
export class Demux {
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #stream: OutputStream = 'stdout';
  /** Bytes of the present frame still to come. */
  #rest = 0;

  /**
   * The payload of `chunk` in order. A container that prints line by line sends a frame per line: what follows on the same
   * stream is moved together inside the chunk, which is used up by this. Throws on a header that Docker never sends.
   */
  *pieces(chunk: Buffer): Generator<Piece, void, void> {
    let from = 0;
    let to = 0;
    let stream = this.#stream;
    for (let at = 0; at < chunk.length;) {
      if (this.#rest === 0) {
        at += this.#readHeader(chunk, at);
        continue;
      }
      if (this.#stream !== stream) {
        if (to > from) yield { stream, bytes: chunk.subarray(from, to) };
        stream = this.#stream;
        from = to = at;
      }
      const end = Math.min(at + this.#rest, chunk.length);
      if (to === from) from = to = at;
      chunk.copyWithin(to, at, end);
      to += end - at;
      this.#rest -= end - at;
      at = end;
    }
    if (to > from) yield { stream, bytes: chunk.subarray(from, to) };
  }

  /** Takes what the chunk has of the header; returns how many bytes that was. */
  #readHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerFilled, at, at + headerBytes - this.#headerFilled);
    this.#headerFilled += taken;
    if (this.#headerFilled < headerBytes) return taken;
    const stream = streams[this.#header[0] ?? 0];
    if (stream === undefined || this.#header.readUIntBE(1, 3) !== 0) throw new Error('the engine sent a broken output stream');
    this.#stream = stream;
    this.#rest = this.#header.readUInt32BE(4);
    this.#headerFilled = 0;
    return taken;
  }
}
