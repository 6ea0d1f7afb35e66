// Derives the name of a job's containers and folders, which is also its host name on a network.

/**
 * Returns a name for containers and folders: only `[a-z0-9_.-]`, a letter or digit first, at most 60 characters. Not
 * unique.
 */
export function safeName(job: string): string {
  const safe = job
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 60)
    .replace(/[^a-z0-9]+$/, '');
  return safe === '' ? 'job' : safe;
}
