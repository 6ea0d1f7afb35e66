// What of a pipeline the operator does not let it do: told with the mistakes of its text, before anything starts.

import { isAbsolute } from 'node:path';
import { WorkFailed, type PipelineAllowance } from '../../../calls/contract/engines.ts';
import { quote } from '../../../calls/contract/quote.ts';
import type { Complaint } from '../language/complaint.ts';
import type { Job, Place, Volume } from '../language/tree.ts';
import { lookAtFolder, type MountParts } from './mounts.ts';

/** Of the tree alone: whether a folder is one that may be mounted is known when links are followed. That of host jobs the language knows. */
export function allowanceComplaints(jobs: readonly Job[], allow: PipelineAllowance): readonly Complaint[] {
  return jobs.flatMap((job) => [...networkOf(job, allow), ...secretsOf(job, allow), ...mountsIn(job, allow)]);
}

function networkOf(job: Job, { hostNetwork }: PipelineAllowance): readonly Complaint[] {
  if (job.base.type === 'host' || job.network !== 'host' || hostNetwork) return [];
  return [refusal(job, 'network', { message: "the network of the host may not be used: 'network: host'", suggestions: ['leave it out, or have the operator allow it'] })];
}

function secretsOf(job: Job, { secrets }: PipelineAllowance): readonly Complaint[] {
  const registries = [job.base.type === 'host' ? undefined : job.base.registry, ...job.services.map(({ registry }) => registry)].filter((name) => name !== undefined);
  const uses = [...job.secrets.map(({ secret, place }) => ({ secret, place, field: 'secrets' })), ...registries.map((secret) => ({ secret, place: job.place, field: 'registry' }))];
  return uses.filter(({ secret }) => !secrets.includes(secret)).map(({ secret, place, field }) =>
    refusal(job, field, { place, message: `the secret ${quote(secret)} is not one that this pipeline may use`, suggestions: ['have the operator declare it under secrets, with this call among its calls'] }));
}

function mountsIn(job: Job, { mounts }: PipelineAllowance): readonly Complaint[] {
  if (mounts === true || mounts.length > 0) return [];
  return volumesOf(job).filter(({ source }) => 'folder' in source && isAbsolute(source.folder)).map(({ place, source }) =>
    refusal(job, 'volumes', {
      place, message: `folder ${quote('folder' in source ? source.folder : '')} may not be mounted`,
      suggestions: ['use a volume by name, or have the operator allow the folder by pipelines.mounts'],
    }));
}

function volumesOf({ volumes, services }: Job): readonly Volume[] {
  return [...volumes, ...services.flatMap((service) => service.volumes)];
}

interface Refused {
  readonly place?: Place;
  readonly message: string;
  readonly suggestions: readonly string[];
}

function refusal(job: Job, field: string, { place = job.place, message, suggestions }: Refused): Complaint {
  return { code: 'INVALID_FIELD_VALUE', severity: 'error', job: job.name, field, ...place, message, suggestions };
}

/** Throws WorkFailed for folders that may not be mounted. One that is not there yet may be made by an earlier job, and is looked at again. */
export async function checkMounts(jobs: readonly Job[], parts: Pick<MountParts, 'allow' | 'folder'>): Promise<void> {
  const folders = [...new Set(jobs.flatMap(volumesOf).flatMap(({ source }) => ('folder' in source ? [source.folder] : [])))];
  const looks = await Promise.all(folders.map((folder) => lookAtFolder(folder, parts)));
  const refused = looks.flatMap((look) => ('why' in look && !look.missing ? [look.why] : []));
  if (refused.length > 0) throw new WorkFailed(refused.join('; '));
}
