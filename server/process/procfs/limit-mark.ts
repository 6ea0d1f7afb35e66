// Marks a process and all its descendants with a value of a resource limit. Unlike an environment variable, a limit
// survives a cleared environment, a new session and the end of the parent. Every process can read it.
//
// The limit is that of real-time scheduling (RLIMIT_RTTIME), in microseconds. The values are above 36 000 years, so
// they limit nothing. Only the soft limit is set.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const realTimeLimit = 15;
const base = 1n << 60n;
const randomBits = 52;
const pattern = /^Max realtime timeout +(\d+)/m;

interface Limits {
  withSoftLimit<T>(limit: number, value: bigint, work: () => T): { readonly result: T } | undefined;
}

/** Returns a mark that no other obligation has. */
export function createLimitMark(): bigint {
  return base + (randomBytes(8).readBigUInt64LE() >> BigInt(64 - randomBits));
}

/** Returns true if this process may set the limit to values as high as the marks. */
export function canMark(limits: Limits): boolean {
  return limits.withSoftLimit(realTimeLimit, base, () => true) !== undefined;
}

/** Calls `start`. The processes that it starts have the mark, unless the gateway's hard limit is too low for that. */
export function withLimitMark<T>(limits: Limits, mark: bigint, start: () => T): T {
  const marked = limits.withSoftLimit(realTimeLimit, mark, start);
  return marked === undefined ? start() : marked.result;
}

/** Returns the mark of a process in decimal digits; undefined if it has none or has ended. */
export function readLimitMark(pid: number): string | undefined {
  try {
    const value = pattern.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))?.[1];
    return value !== undefined && BigInt(value) >= base ? value : undefined;
  } catch {
    return undefined;
  }
}
