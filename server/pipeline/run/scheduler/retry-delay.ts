// Computes the delay before the next attempt of a job.

import type { Retry } from '../../language/model.ts';

const hourMs = 3_600_000;

/**
 * Returns the delay after the attempt with the number `attempt` (from 1), in whole milliseconds. `random` is from 0 to
 * 1.
 */
export function retryDelayMs(
  { delayMs, backoff, jitter }: Omit<Retry, 'attempts'>,
  attempt: number,
  random: number,
): number {
  const wait = Math.min(delayMs * backoff ** (attempt - 1), hourMs);
  return Math.round(wait * (1 + jitter * (2 * random - 1)));
}
