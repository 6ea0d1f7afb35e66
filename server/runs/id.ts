// Ids of runs: short enough to be read out and typed, random enough to be guessed by nobody.

import { randomFillSync } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const length = 16;

/** Asking for randomness costs more than what is asked for; it is fetched for many ids at once, and each byte is used once. */
const pool = Buffer.alloc(256 * length);
let used = pool.length;

/** 80 random bits in 16 characters. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = '';
  for (const byte of pool.subarray(used, used += length)) id += alphabet[byte & 31];
  return id;
}
