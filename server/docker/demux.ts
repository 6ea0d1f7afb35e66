// Splits Docker's multiplexed output into stdout and stderr. Each frame has an 8-byte header: stream, three zeros,
// length (32 bits, big-endian).
//
// Source: Docker Engine API, "Attach to a container", stream format.

import type { OutputStream } from '../../calls/contract/ports.ts';

export interface StreamChunk {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
}

const headerBytes = 8;
const streams: readonly (OutputStream | undefined)[] = ['stdout', 'stdout', 'stderr'];

/** Decodes one multiplexed stream. Frames and chunks may be split anywhere. */
export class Demux {
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #stream: OutputStream = 'stdout';
  /** Bytes of the current frame still to come. */
  #remaining = 0;

  /**
   * Yields the payload of `chunk` in order. A container that prints line by line sends one frame per line, so this
   * method merges successive frames of one stream in place. Merging overwrites `chunk`. Throws on a header that Docker
   * never sends.
   */
  *decode(chunk: Buffer): Generator<StreamChunk, void, void> {
    let from = 0;
    let to = 0;
    let stream = this.#stream;
    for (let at = 0; at < chunk.length; ) {
      if (this.#remaining === 0) {
        at += this.#readHeader(chunk, at);
        continue;
      }
      if (this.#stream !== stream) {
        if (to > from) yield { stream, bytes: chunk.subarray(from, to) };
        stream = this.#stream;
        from = to = at;
      }
      const end = Math.min(at + this.#remaining, chunk.length);
      if (to === from) from = to = at;
      chunk.copyWithin(to, at, end);
      to += end - at;
      this.#remaining -= end - at;
      at = end;
    }
    if (to > from) yield { stream, bytes: chunk.subarray(from, to) };
  }

  /** Reads a part of a header. Returns the number of bytes used. */
  #readHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerFilled, at, at + headerBytes - this.#headerFilled);
    this.#headerFilled += taken;
    if (this.#headerFilled < headerBytes) return taken;
    const stream = streams[this.#header[0] ?? 0];
    if (stream === undefined || this.#header.readUIntBE(1, 3) !== 0)
      throw new Error('the Docker engine sent an invalid output stream');
    this.#stream = stream;
    this.#remaining = this.#header.readUInt32BE(4);
    this.#headerFilled = 0;
    return taken;
  }
}
