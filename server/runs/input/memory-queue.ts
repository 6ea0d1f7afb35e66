// A queue of bytes in memory, in the pieces that arrived.

/** Largest chunk that is taken at once. Thousands of small lines become one write. */
export const chunkBytesMax = 64 << 10;

/**
 * Number of small pieces that are joined into one. Otherwise a million one-byte pieces would need a hundred times their
 * size.
 */
const smallPiecesMax = 256;

export class MemoryQueue {
  /** Number of queued bytes. */
  bytes = 0;
  #pieces: Uint8Array[] = [];
  /** Number of pieces at the start of the queue that are already joined. */
  #coalesced = 0;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.bytes += piece.length;
    if (this.#pieces.length - this.#coalesced >= smallPiecesMax) this.#coalesceSmall();
  }

  /** Takes up to `chunkBytesMax` bytes, or the first piece if it is longer. Call it only if there are bytes. */
  take(): Uint8Array {
    let count = 0;
    let bytes = 0;
    while (count < this.#pieces.length && (count === 0 || bytes + this.#pieces[count]!.length <= chunkBytesMax))
      bytes += this.#pieces[count++]!.length;
    const pieces = this.#pieces.splice(0, count);
    this.#coalesced = Math.max(0, this.#coalesced - count);
    this.bytes -= bytes;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Removes and returns all pieces. */
  takeAll(): readonly Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#coalesced = 0;
    this.bytes = 0;
    return pieces;
  }

  #coalesceSmall(): void {
    this.#pieces.push(Buffer.concat(this.#pieces.splice(this.#coalesced)));
    this.#coalesced = this.#pieces.length;
  }
}
