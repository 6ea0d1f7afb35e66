// Resolves the mounts of a job: volumes of the run, caches, and folders of this machine by their real path.

import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import type { Containers } from '../../../../calls/contract/containers.ts';
import { type PipelinePermissions, WorkFailed } from '../../../../calls/contract/engines.ts';
import { quote } from '../../../../calls/text/quote.ts';
import type { Job, Volume } from '../../language/model.ts';

export interface MountDeps {
  readonly containers: Pick<Containers, 'volume' | 'cache'>;
  readonly allow: Pick<PipelinePermissions, 'mounts'>;
  /** Folder of the pipeline file. Absent if the operator does not own that file. */
  readonly folder?: string;
}

/**
 * Returns mounts for `StepSpec.volumes`. Rejects with WorkFailed if a folder is missing or not allowed, or if the
 * engine cannot create a volume.
 */
export async function mountStrings(
  { volumes, cache }: { readonly volumes: readonly Volume[]; readonly cache?: Job['cache'] },
  deps: MountDeps,
): Promise<readonly string[]> {
  const { containers } = deps;
  const volumeMounts = await Promise.all(
    volumes.map(async ({ source, path, readOnly }) => {
      const from = 'name' in source ? await containers.volume(source.name) : await requireMount(source.folder, deps);
      return `${from}:${path}${readOnly ? ':ro' : ''}`;
    }),
  );
  const cacheMounts = await Promise.all(
    (cache ?? []).map(async ({ name, path }) => `${await containers.cache(name)}:${path}`),
  );
  return [...volumeMounts, ...cacheMounts];
}

async function requireMount(folder: string, deps: MountDeps): Promise<string> {
  const resolution = await resolveMount(folder, deps);
  if ('real' in resolution) return resolution.real;
  throw new WorkFailed(resolution.why);
}

/** `missing` is true if the folder does not exist yet. */
export type MountResolution = { readonly real: string } | { readonly why: string; readonly missing: boolean };

/**
 * Returns the real path of `folder` if mounting it is allowed. A relative folder is allowed, because the operator owns
 * the pipeline file. An absolute folder must be inside an allowed folder after all links are followed.
 *
 * The engine receives the real path, so a later change of a link has no effect.
 */
export async function resolveMount(
  folder: string,
  { allow, folder: base }: Pick<MountDeps, 'allow' | 'folder'>,
): Promise<MountResolution> {
  const rejected = (why: string, missing = false): MountResolution => ({
    why: `folder ${quote(folder)} ${why}`,
    missing,
  });
  if (!isAbsolute(folder) && base === undefined)
    return rejected(
      "cannot be mounted: it is relative to the pipeline's file, which is not a file on the gateway's machine",
    );
  const real = await realpath(resolve(base ?? '/', folder)).catch(() => undefined);
  if (real === undefined) return rejected('cannot be mounted: it does not exist', true);
  if (real.includes(':')) return rejected('cannot be mounted: its path contains a colon');
  if (isAbsolute(folder) && !(await isAllowed(real, allow.mounts)))
    return rejected('must not be mounted; the operator allows folders under pipelines.mounts');
  return { real };
}

async function isAllowed(real: string, mounts: PipelinePermissions['mounts']): Promise<boolean> {
  if (mounts === true) return true;
  const allowed = await Promise.all(mounts.map((allowedFolder) => realpath(allowedFolder).catch(() => undefined)));
  return allowed.some((allowedFolder) => allowedFolder !== undefined && isInside(real, allowedFolder));
}

function isInside(path: string, folder: string): boolean {
  const below = relative(folder, path);
  return below === '' || (below !== '..' && !below.startsWith('../') && !isAbsolute(below));
}
