// Reproducible random numbers: the same seed gives the same numbers.

/** Returns numbers in [0, 1) (mulberry32 by Tommy Ettinger, public domain). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns integers from 0 to `below` - 1. */
export function createRandomInteger(seed: number): (below: number) => number {
  const random = createRandom(seed);
  return (below) => Math.floor(random() * below);
}

/**
 * Returns the seeds from 0 to `count` - 1. `npm run test:unit` uses only every sixteenth of them, to stay below a
 * minute; every other command uses all.
 */
export function seeds(count: number): readonly number[] {
  const step = Number(process.env['DISTILLERY_TEST_SEED_STEP'] ?? 1);
  return Array.from({ length: Math.ceil(count / step) }, (_, at) => at * step);
}
