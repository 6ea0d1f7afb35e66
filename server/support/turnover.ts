// Keeps V8's young generation turning over while output flows, so that the buffers of output are freed cheaply.

/**
 * Chunks and frames lie outside of the heap; the objects that hold them are small and few. V8 frees such memory when it collects the young
 * generation, which happens when that is full of objects; but this path makes hardly any objects, so the memory outside grows until V8 marks the
 * whole heap for its sake, some fourteen times in two million lines, on every core there is. Measured (docs/decisions/0010): half of the
 * gateway's CPU time. For those who cannot read in place (docs/decisions/0011). An object a quarter as large as the chunk, forgotten at once, makes the young generation fill up at the same pace.
 */
export function turnOver(chunkBytes: number): void {
  if (chunkBytes >= worthwhileBytes) forgotten = new Array<undefined>(Math.min(chunkBytes >>> 5, slotsMax));
}

/** Slow output makes objects enough. */
const worthwhileBytes = 8 << 10;
/** 16 KiB; from 128 KiB an object is not young any more (kMaxRegularHeapObjectSize). */
const slotsMax = 2 << 10;

/** Held until the next one, and exported, or the compiler would leave out what nobody sees. */
export let forgotten: readonly undefined[] = [];
