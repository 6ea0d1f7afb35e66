// Finds the keys that pipelines use, by path: `workflow`, `job.image`, `retry.delay`, `service.env`, `health.command`.

import { dockerKeys } from '../../../server/pipeline/language/keys/docker.ts';
import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../../server/pipeline/language/keys/top-keys.ts';

const tables = {
  '': topKeys,
  'docker.': dockerKeys,
  'job.': jobKeys,
  'retry.': retryKeys,
  'service.': serviceKeys,
  'health.': healthKeys,
} as const;

/** Returns all keys of the language. */
export function allKeys(): readonly string[] {
  return Object.entries(tables).flatMap(([table, keys]) => Object.keys(keys).map((key) => table + key));
}

/** Returns the keys that occur in at least one of the files. Files are plain values. */
export function findUsedKeys(files: readonly unknown[]): ReadonlySet<string> {
  return new Set(
    files.flatMap((file) =>
      entries(file).flatMap(([name, value]) => {
        const top = qualifiedKey('', name);
        if (top === 'docker') return [top, ...findKeys('docker.', value)];
        return top === undefined ? findJobKeys(value) : [top];
      }),
    ),
  );
}

function findJobKeys(job: unknown): readonly string[] {
  return [
    ...findKeys('job.', job),
    ...valuesOfKey(job, 'retry').flatMap((retry) => findKeys('retry.', retry)),
    ...listServices(job).flatMap(findServiceKeys),
  ];
}

function findServiceKeys(service: unknown): readonly string[] {
  return [
    ...findKeys('service.', service),
    ...valuesOfKey(service, 'health').flatMap((health) => findKeys('health.', health)),
  ];
}

function listServices(job: unknown): readonly unknown[] {
  return valuesOfKey(job, 'services').flatMap((services) => entries(services).map(([, service]) => service));
}

function valuesOfKey(value: unknown, name: string): readonly unknown[] {
  return entries(value)
    .filter(([key]) => key.toLowerCase() === name)
    .map(([, item]) => item);
}

function findKeys(table: keyof typeof tables, value: unknown): readonly string[] {
  return entries(value).flatMap(([key]) => qualifiedKey(table, key) ?? []);
}

function qualifiedKey(table: keyof typeof tables, key: string): string | undefined {
  const name = Object.keys(tables[table]).find((one) => one.toLowerCase() === key.toLowerCase());
  return name === undefined ? undefined : table + name;
}

function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}
