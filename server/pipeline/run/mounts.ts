// What a job mounts: volumes of the run, volumes that stay, and folders of this machine, which are followed to where they really are.

import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import type { Containers } from '../../../calls/contract/containers.ts';
import { WorkFailed, type PipelineAllowance } from '../../../calls/contract/engines.ts';
import { quote } from '../../../calls/contract/quote.ts';
import type { Job, Volume } from '../language/tree.ts';

export interface MountParts {
  readonly containers: Pick<Containers, 'volume' | 'cache'>;
  readonly allow: Pick<PipelineAllowance, 'mounts'>;
  /** Of the pipeline's file, where that is one of the operator's. */
  readonly folder?: string;
}

/** As `StepSpec.volumes`. Throws WorkFailed for a folder that is not there or may not be mounted, and with the engine's reasons. */
export async function mountsOf({ volumes, cache }: { readonly volumes: readonly Volume[]; readonly cache?: Job['cache'] }, parts: MountParts): Promise<readonly string[]> {
  const { containers } = parts;
  const mounted = await Promise.all(volumes.map(async ({ source, path, readOnly }) => {
    const from = 'name' in source ? await containers.volume(source.name) : await mountable(source.folder, parts);
    return `${from}:${path}${readOnly ? ':ro' : ''}`;
  }));
  const kept = await Promise.all((cache ?? []).map(async ({ name, path }) => `${await containers.cache(name)}:${path}`));
  return [...mounted, ...kept];
}

async function mountable(folder: string, parts: MountParts): Promise<string> {
  const look = await lookAtFolder(folder, parts);
  if ('real' in look) return look.real;
  throw new WorkFailed(look.why);
}

/** `missing`: it is not there, or not yet. */
export type FolderLook = { readonly real: string } | { readonly why: string; readonly missing: boolean };

/**
 * Where `folder` really is, if it may be mounted. A relative one is the operator's own, as the file is, and allowed; an absolute one has to be inside of what is
 * allowed, after all links in both are followed. The engine is given the path that was looked at: a link that is changed meanwhile leads nowhere else.
 */
export async function lookAtFolder(folder: string, { allow, folder: base }: Pick<MountParts, 'allow' | 'folder'>): Promise<FolderLook> {
  const refused = (why: string, missing = false): FolderLook => ({ why: `folder ${quote(folder)} ${why}`, missing });
  if (!isAbsolute(folder) && base === undefined) return refused("cannot be mounted: it is relative to the pipeline's file, and that is not a file of the gateway's machine");
  const real = await realpath(resolve(base ?? '/', folder)).catch(() => undefined);
  if (real === undefined) return refused('cannot be mounted: there is no such folder', true);
  if (real.includes(':')) return refused('cannot be mounted: there is a colon in its path');
  if (isAbsolute(folder) && !(await isAllowed(real, allow.mounts))) return refused('may not be mounted; the operator allows folders by pipelines.mounts');
  return { real };
}

async function isAllowed(real: string, mounts: PipelineAllowance['mounts']): Promise<boolean> {
  if (mounts === true) return true;
  const allowed = await Promise.all(mounts.map((one) => realpath(one).catch(() => undefined)));
  return allowed.some((one) => one !== undefined && isInside(real, one));
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
}
