// Names of jobs where not every character may stand.

/** For names of containers and folders: `[a-z0-9_.-]`, beginning with a letter or digit, at most 60 characters. Two jobs may have the same. */
export function safeName(job: string): string {
  const safe = job.toLowerCase().replace(/[^a-z0-9_.-]+/g, '-').replace(/^[^a-z0-9]+/, '').slice(0, 60).replace(/[^a-z0-9]+$/, '');
  return safe === '' ? 'job' : safe;
}

/** The name that the image of a Dockerfile gets. */
export function imageTag(job: string): string {
  // Separators may not stand in a row in the name of an image.
  return `${safeName(job).replace(/[^a-z0-9]+/g, '-')}-custom:latest`;
}

/** Names of containers of one run: `<job>_<unix ms>_<run>-<n>`. */
export function containerNames(run: string): (job: string) => string {
  let made = 0;
  return (job) => `${safeName(job)}_${Date.now()}_${run}-${(made += 1)}`;
}
