// How long a failed job waits for its next try.

import type { Retry } from '../language/tree.ts';

const hourMs = 3_600_000;

/** Milliseconds, whole, before the try after `attempt` (from 1). `random` is from 0 to 1. */
export function retryDelayMs({ delayMs, backoff, jitter }: Omit<Retry, 'attempts'>, attempt: number, random: number): number {
  const wait = Math.min(delayMs * backoff ** (attempt - 1), hourMs);
  return Math.round(wait * (1 + jitter * (2 * random - 1)));
}
