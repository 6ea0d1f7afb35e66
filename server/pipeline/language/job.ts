// A job whose keys are all right, as part of the tree.

import { noRetry } from './keys/retry.ts';
import { placeOf } from './remark.ts';
import type { JobFacts, NamedJob } from './rules/rule.ts';
import type { Base, Job, Mention } from './tree.ts';

/** `names` as in FileFacts. To be called only when nothing is wrong with the file. */
export function makeJob({ name, at, ground, values }: JobFacts, names: ReadonlyMap<string, NamedJob>): Job {
  const { image: _image, dockerfile: _dockerfile, host: _host, pull: _pull, registry: _registry, needs, port, memory, timeout, workDir, ...rest } = values;
  return {
    script: [], soloExecution: false, errexit: true, env: {}, copyFiles: false, copyIgnore: [], artifacts: [], parallel: false, retry: noRetry, when: 'success',
    allowFailure: false, volumes: [], network: 'bridge', services: [], matrix: [], outputs: [], cache: [], secrets: [],
    ...rest,
    name, place: placeOf(at, ground), base: baseOf(values), ports: port ?? [], workDir: workDir ?? '/root', workDirWritten: workDir !== undefined,
    ...(timeout !== undefined && { timeoutMs: timeout }), ...(memory !== undefined && { memoryBytes: memory }),
    ...(needs !== undefined && { needs: distinct(needs.map(({ text, at: spot }): Mention => ({ name: names.get(text.toLowerCase())?.name ?? text, place: placeOf(spot, ground) }))) }),
  };
}

function baseOf({ image, dockerfile, pull = 'missing', registry }: JobFacts['values']): Base {
  const login = registry !== undefined && { registry };
  if (image !== undefined) return { type: 'image', image, pull, ...login };
  return dockerfile !== undefined ? { type: 'dockerfile', path: dockerfile, ...login } : { type: 'host' };
}

function distinct(mentions: readonly Mention[]): readonly Mention[] {
  const seen = new Set<string>();
  return mentions.filter(({ name }) => !seen.has(name) && seen.add(name));
}
