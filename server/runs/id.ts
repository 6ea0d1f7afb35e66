// Creates run ids: short enough to read aloud and type, too random to guess.

import { randomFillSync } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const length = 16;

/** Holds random bytes for many ids, because each request for random bytes is slow. Each byte is used once. */
const pool = Buffer.alloc(256 * length);
let used = pool.length;

/** Returns 16 characters with 80 random bits. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = '';
  for (const byte of pool.subarray(used, (used += length))) id += alphabet[byte & 31];
  return id;
}
