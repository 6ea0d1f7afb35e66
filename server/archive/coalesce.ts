// Merges small chunks, so that an archive of many small files does not cause equally many small writes.

const chunkBytesMin = 64 << 10;

/** Yields the same bytes in chunks of at least 64 KiB, except for the last one. */
export async function* coalesce(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffered: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    buffered.push(piece);
    bytes += piece.length;
    if (bytes < chunkBytesMin) continue;
    yield buffered.length === 1 ? piece : Buffer.concat(buffered, bytes);
    buffered = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(buffered, bytes);
}
