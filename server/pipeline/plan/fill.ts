// `${axis}` in a job with a matrix becomes the value of this combination. Anything else with a `$` is left as it stands: it is the shell's.

import type { Job, Service, Volume } from '../language/tree.ts';

type Values = Readonly<Record<string, string>>;

/** The job with the values of `matrix` filled in; the job itself where there are none. `$${` stands for `${`. */
export function fillJob(job: Job, matrix: Values): Job {
  if (Object.keys(matrix).length === 0) return job;
  const fill = (text: string): string => fillText(text, matrix);
  return {
    ...job,
    base: fillBase(job.base, fill),
    workDir: fill(job.workDir),
    env: fillValues(job.env, fill),
    ...(job.artifactPath !== undefined && { artifactPath: fill(job.artifactPath) }),
    artifacts: job.artifacts.map(fill),
    services: job.services.map((service) => fillService(service, fill)),
    volumes: job.volumes.map((volume) => fillVolume(volume, fill)),
    cache: job.cache.map((cache) => ({ ...cache, name: fill(cache.name) })),
  };
}

export function fillText(text: string, values: Values): string {
  return text.replace(/\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_-]*)\}/g, (found: string, name: string | undefined) => {
    if (name === undefined) return '${';
    return Object.hasOwn(values, name) ? values[name]! : found;
  });
}

type Fill = (text: string) => string;

function fillBase(base: Job['base'], fill: Fill): Job['base'] {
  switch (base.type) {
    case 'image': return { ...base, image: fill(base.image) };
    case 'dockerfile': return { ...base, path: fill(base.path) };
    case 'host': return base;
    default: return base satisfies never;
  }
}

function fillValues(values: Values, fill: Fill): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fill(value)]));
}

function fillService(service: Service, fill: Fill): Service {
  return { ...service, image: fill(service.image), env: fillValues(service.env, fill), volumes: service.volumes.map((volume) => fillVolume(volume, fill)) };
}

/** Only names of volumes: a value could lead to another folder of the machine. */
function fillVolume(volume: Volume, fill: Fill): Volume {
  return 'name' in volume.source ? { ...volume, source: { name: fill(volume.source.name) } } : volume;
}
