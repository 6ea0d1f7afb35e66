// Random numbers that can be had again: the same seed gives the same ones.

/** Numbers from 0 to below 1 (xorshift32). */
export function randomFrom(seed: number): () => number {
  let state = (seed >>> 0) || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
