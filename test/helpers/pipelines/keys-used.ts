// Which keys of the language some pipelines have, by their paths: `workflow`, `job.image`, `retry.delay`, `service.env`, `health.command`.

import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { dockerKeys } from '../../../server/pipeline/language/keys/docker.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../../server/pipeline/language/keys/top-keys.ts';

const tables = { '': topKeys, 'docker.': dockerKeys, 'job.': jobKeys, 'retry.': retryKeys, 'service.': serviceKeys, 'health.': healthKeys } as const;

/** Every key there is. */
export function allKeys(): readonly string[] {
  return Object.entries(tables).flatMap(([table, keys]) => Object.keys(keys).map((key) => table + key));
}

/** Those that stand in any of the files, which are given as plain values. */
export function keysUsed(files: readonly unknown[]): ReadonlySet<string> {
  return new Set(files.flatMap((file) => entries(file).flatMap(([name, value]) => {
    const top = known('', name);
    if (top === 'docker') return [top, ...keysIn('docker.', value)];
    return top === undefined ? keysOfJob(value) : [top];
  })));
}

function keysOfJob(job: unknown): readonly string[] {
  return [...keysIn('job.', job), ...below(job, 'retry').flatMap((retry) => keysIn('retry.', retry)), ...servicesOf(job).flatMap(keysOfService)];
}

function keysOfService(service: unknown): readonly string[] {
  return [...keysIn('service.', service), ...below(service, 'health').flatMap((health) => keysIn('health.', health))];
}

function servicesOf(job: unknown): readonly unknown[] {
  return below(job, 'services').flatMap((services) => entries(services).map(([, service]) => service));
}

function below(value: unknown, wanted: string): readonly unknown[] {
  return entries(value).filter(([key]) => key.toLowerCase() === wanted).map(([, held]) => held);
}

function keysIn(table: keyof typeof tables, value: unknown): readonly string[] {
  return entries(value).flatMap(([key]) => known(table, key) ?? []);
}

function known(table: keyof typeof tables, key: string): string | undefined {
  const name = Object.keys(tables[table]).find((one) => one.toLowerCase() === key.toLowerCase());
  return name === undefined ? undefined : table + name;
}

function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}
