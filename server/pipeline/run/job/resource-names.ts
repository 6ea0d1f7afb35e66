// Derives container and image names from job names.

import { wallClockMs } from '../../../support/wall-clock.ts';
import { safeName } from '../../language/safe-name.ts';

/** Returns the tag of the image that is built from the job's Dockerfile. */
export function imageTag(job: string): string {
  // Join words with single hyphens, because image names must not contain consecutive separators.
  return `${safeName(job).replace(/[^a-z0-9]+/g, '-')}-custom:latest`;
}

/** Returns a function that creates unique container names for one run: `<job>_<unix ms>_<run>-<n>`. */
export function containerNames(run: string): (job: string) => string {
  let count = 0;
  return (job) => `${safeName(job)}_${wallClockMs()}_${run}-${(count += 1)}`;
}
