// Checks a pipeline against the operator's permissions. Reports violations as diagnostics, like errors in the text of
// the pipeline.

import { isAbsolute } from 'node:path';
import { type PipelinePermissions, WorkFailed } from '../../../calls/contract/engines.ts';
import { quote } from '../../../calls/text/quote.ts';
import type { PipelineDiagnostic } from '../language/diagnostic.ts';
import type { Job, SourceLocation, Volume } from '../language/model.ts';
import { type MountDeps, resolveMount } from './resources/mounts.ts';

/**
 * Checks only the parsed jobs. `checkMounts` checks allowed folders later, because it must follow symbolic links. The
 * language check covers host jobs.
 */
export function permissionDiagnostics(jobs: readonly Job[], allow: PipelinePermissions): readonly PipelineDiagnostic[] {
  return jobs.flatMap((job) => [
    ...checkHostNetwork(job, allow),
    ...checkSecrets(job, allow),
    ...checkMountFolders(job, allow),
  ]);
}

function checkHostNetwork(job: Job, { hostNetwork }: PipelinePermissions): readonly PipelineDiagnostic[] {
  if (job.base.type === 'host' || job.network !== 'host' || hostNetwork) return [];
  return [
    permissionDiagnostic(job, 'network', {
      message: "the network of the host is not allowed: 'network: host'",
      suggestions: ['remove it, or ask the operator to allow it'],
    }),
  ];
}

function checkSecrets(job: Job, { secrets }: PipelinePermissions): readonly PipelineDiagnostic[] {
  const registries = [
    job.base.type === 'host' ? undefined : job.base.registry,
    ...job.services.map(({ registry }) => registry),
  ].filter((name) => name !== undefined);
  const uses = [
    ...job.secrets.map(({ secret, location }) => ({ secret, location, field: 'secrets' })),
    ...registries.map((secret) => ({ secret, location: job.location, field: 'registry' })),
  ];
  return uses
    .filter(({ secret }) => !secrets.includes(secret))
    .map(({ secret, location, field }) =>
      permissionDiagnostic(job, field, {
        location,
        message: `the secret ${quote(secret)} is not allowed for this pipeline`,
        suggestions: ['ask the operator to declare it under secrets and to list this call in its calls'],
      }),
    );
}

function checkMountFolders(job: Job, { mounts }: PipelinePermissions): readonly PipelineDiagnostic[] {
  if (mounts === true || mounts.length > 0) return [];
  return jobVolumes(job)
    .filter(({ source }) => 'folder' in source && isAbsolute(source.folder))
    .map(({ location, source }) =>
      permissionDiagnostic(job, 'volumes', {
        location,
        message: `the folder ${quote('folder' in source ? source.folder : '')} must not be mounted`,
        suggestions: ['use a named volume, or ask the operator to allow the folder under pipelines.mounts'],
      }),
    );
}

function jobVolumes({ volumes, services }: Job): readonly Volume[] {
  return [...volumes, ...services.flatMap((service) => service.volumes)];
}

interface Violation {
  readonly location?: SourceLocation;
  readonly message: string;
  readonly suggestions: readonly string[];
}

function permissionDiagnostic(
  job: Job,
  field: string,
  { location = job.location, message, suggestions }: Violation,
): PipelineDiagnostic {
  return { code: 'INVALID_FIELD_VALUE', severity: 'error', job: job.name, field, ...location, message, suggestions };
}

/**
 * Rejects with WorkFailed for folders that are not allowed. Accepts missing folders, because an earlier job may create
 * them. They are checked again before their job starts.
 */
export async function checkMounts(jobs: readonly Job[], deps: Pick<MountDeps, 'allow' | 'folder'>): Promise<void> {
  const folders = [
    ...new Set(jobs.flatMap(jobVolumes).flatMap(({ source }) => ('folder' in source ? [source.folder] : []))),
  ];
  const resolutions = await Promise.all(folders.map((folder) => resolveMount(folder, deps)));
  const rejected = resolutions.flatMap((resolution) =>
    'why' in resolution && !resolution.missing ? [resolution.why] : [],
  );
  if (rejected.length > 0) throw new WorkFailed(rejected.join('; '));
}
