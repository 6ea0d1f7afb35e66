// Rule: the name of a service differs from that of its job and of every job on the same network of the run. Otherwise
// the name would lead to the job.

import type { TextRange } from '../../../yaml/value-tree.ts';
import { safeName } from '../safe-name.ts';
import { type FileRule, type JobReadings, reportJob } from './rule.ts';

const engineNetworks: readonly unknown[] = [undefined, 'none', 'host', 'bridge'];

export const distinctServiceNames: FileRule = ({ jobs }) => {
  const jobsOfNetworks = new Map<string, Map<string, string>>();
  for (const { name, values } of jobs) {
    if (values.network === undefined || engineNetworks.includes(values.network)) continue;
    const names = jobsOfNetworks.get(values.network) ?? new Map<string, string>();
    jobsOfNetworks.set(values.network, names.set(safeName(name), name));
  }
  for (const job of jobs) {
    const others = jobsOfNetworks.get(job.values.network ?? '');
    for (const service of job.values.services ?? []) {
      const host = service.name.toLowerCase();
      const taken = host === safeName(job.name) ? job.name : others?.get(host);
      if (taken !== undefined) reportTaken(job, service.name, taken);
    }
  }
};

function reportTaken(job: JobReadings, service: string, taken: string): void {
  const field = job.fields.services!;
  reportJob(job, {
    code: 'INVALID_FIELD_VALUE',
    field: `${field.name}.${service}`,
    at: serviceRange(job, service),
    message:
      taken === job.name
        ? `the service '${service}' has the name of its job, so the name would lead to the job itself`
        : `the service '${service}' has the name of the job '${taken}' on the network '${job.values.network}'`,
    suggestions: ['rename the service'],
  });
}

function serviceRange({ fields: { services } }: JobReadings, name: string): TextRange {
  const entries = services?.value.is === 'mapping' ? services.value.entries : [];
  return entries.find(({ key }) => key === name)?.at ?? services!.at;
}
