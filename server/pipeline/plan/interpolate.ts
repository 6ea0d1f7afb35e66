// Replaces `${axis}` with the matrix value of one combination, in keys of a job that no shell reads. Leaves any other
// `$` unchanged.

import type { Job, Service, Volume } from '../language/model.ts';

type Values = Readonly<Record<string, string>>;

/**
 * Returns the job with the values of `matrix` filled in, or the job itself if `matrix` is empty. `$${` becomes a
 * literal `${`.
 */
export function interpolateJob(job: Job, matrix: Values): Job {
  if (Object.keys(matrix).length === 0) return job;
  const fill = (text: string): string => interpolateText(text, matrix);
  return {
    ...job,
    base: interpolateBase(job.base, fill),
    workDir: fill(job.workDir),
    env: interpolateValues(job.env, fill),
    ...(job.artifactPath !== undefined && { artifactPath: fill(job.artifactPath) }),
    artifacts: job.artifacts.map(fill),
    services: job.services.map((service) => interpolateService(service, fill)),
    volumes: job.volumes.map((volume) => interpolateVolume(volume, fill)),
    cache: job.cache.map((cache) => ({ ...cache, name: fill(cache.name) })),
  };
}

function interpolateText(text: string, values: Values): string {
  return text.replace(/\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_-]*)\}/g, (found: string, name: string | undefined) => {
    if (name === undefined) return '${';
    return Object.hasOwn(values, name) ? values[name]! : found;
  });
}

type Interpolate = (text: string) => string;

function interpolateBase(base: Job['base'], fill: Interpolate): Job['base'] {
  switch (base.type) {
    case 'image':
      return { ...base, image: fill(base.image) };
    case 'dockerfile':
      return { ...base, path: fill(base.path) };
    case 'host':
      return base;
    default:
      return base satisfies never;
  }
}

function interpolateValues(values: Values, fill: Interpolate): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fill(value)]));
}

function interpolateService(service: Service, fill: Interpolate): Service {
  return {
    ...service,
    image: fill(service.image),
    env: interpolateValues(service.env, fill),
    volumes: service.volumes.map((volume) => interpolateVolume(volume, fill)),
  };
}

/** Interpolates volume names only, because a value in a host path could lead to another folder. */
function interpolateVolume(volume: Volume, fill: Interpolate): Volume {
  return 'name' in volume.source ? { ...volume, source: { name: fill(volume.source.name) } } : volume;
}
