// Makes V8 collect its young generation while output flows, which frees output buffers cheaply.

/**
 * Fills the young generation of V8 at the pace of the output.
 *
 * Chunks and frames lie outside the heap, and small objects hold them. V8 frees them when it collects the young
 * generation, which happens when that is full. Output creates hardly any objects, so external memory grows until V8
 * marks the whole heap. That happened about fourteen times in two million lines and took half of the gateway's CPU time
 * (docs/decisions/0010).
 *
 * This function allocates an object a quarter as large as the chunk and drops it at once, so the young generation fills
 * as fast as the external memory. It is for readers that cannot reuse a buffer (docs/decisions/0011).
 */
export function paceYoungGc(chunkBytes: number): void {
  if (chunkBytes >= chunkBytesMin) latestAllocation = new Array<undefined>(Math.min(chunkBytes >>> 5, slotsMax));
}

/** Minimum size of a chunk for which this is worthwhile. Smaller chunks create enough objects by themselves. */
const chunkBytesMin = 8 << 10;
/**
 * Maximum number of slots, 16 KiB. Objects of 128 KiB or more are not allocated in the young generation
 * (kMaxRegularHeapObjectSize).
 */
const slotsMax = 2 << 10;

/**
 * Keeps the latest object reachable. Exported, because the compiler would otherwise remove the allocation.
 * @public
 */
export let latestAllocation: readonly undefined[] = [];
