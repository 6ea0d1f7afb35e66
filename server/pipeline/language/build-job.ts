// Builds a job of the model from its checked keys.

import { toLocation } from '../../yaml/location.ts';
import { noRetry } from './keys/retry.ts';
import type { Job, JobBase, JobRef } from './model.ts';
import type { JobReadings, NamedJob } from './rules/rule.ts';

/** Builds a job from its keys. `names` is `FileReadings.names`. Call this function only for files without errors. */
export function buildJob({ name, at, context, values }: JobReadings, names: ReadonlyMap<string, NamedJob>): Job {
  const {
    image: _image,
    dockerfile: _dockerfile,
    host: _host,
    pull: _pull,
    registry: _registry,
    needs,
    port,
    memory,
    timeout,
    workDir,
    matrix,
    ...rest
  } = values;
  return {
    script: [],
    soloExecution: false,
    errexit: true,
    env: {},
    copyFiles: false,
    copyIgnore: [],
    artifacts: [],
    parallel: false,
    retry: noRetry,
    when: 'success',
    allowFailure: false,
    volumes: [],
    network: 'bridge',
    services: [],
    outputs: [],
    cache: [],
    secrets: [],
    ...rest,
    name,
    location: toLocation(at, context),
    base: buildBase(values),
    matrix: matrix?.axes ?? [],
    ...(matrix !== undefined && matrix.exclude.length > 0 && { matrixExclude: matrix.exclude }),
    ports: port ?? [],
    workDir: workDir ?? '/root',
    workDirWritten: workDir !== undefined,
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(needs !== undefined && {
      needs: distinctByName(
        needs.map(
          ({ text, at: range }): JobRef => ({
            name: names.get(text.toLowerCase())?.name ?? text,
            location: toLocation(range, context),
          }),
        ),
      ),
    }),
  };
}

function buildBase({ image, dockerfile, pull = 'missing', registry }: JobReadings['values']): JobBase {
  const login = registry !== undefined && { registry };
  if (image !== undefined) return { type: 'image', image, pull, ...login };
  return dockerfile !== undefined ? { type: 'dockerfile', path: dockerfile, ...login } : { type: 'host' };
}

function distinctByName(mentions: readonly JobRef[]): readonly JobRef[] {
  const seen = new Set<string>();
  return mentions.filter(({ name }) => !seen.has(name) && seen.add(name));
}
