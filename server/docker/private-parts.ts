// The programs a private engine is made of: where they are, or what to install.

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** Program -> the Debian package it comes in. */
const packages = {
  dockerd: 'docker.io',
  containerd: 'docker.io',
  tini: 'tini',
  busybox: 'busybox-static',
  iptables: 'iptables',
  ip: 'iproute2',
  mount: 'mount',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  flock: 'util-linux',
} as const;

type Program = keyof typeof packages;

export interface EngineParts {
  readonly busybox: string;
  readonly unshare: string;
  readonly setpriv: string;
  readonly flock: string;
  readonly majorVersion: number;
  /** PATH for the engine: ours, and the folders of system programs that users often lack. */
  readonly path: string;
}

/** Throws an error with everything that is missing and how to get it. */
export async function engineParts(): Promise<EngineParts> {
  if (process.platform !== 'linux') throw new Error(`a private Docker engine needs Linux; this is ${process.platform}`);
  if (process.getuid?.() !== 0) throw new Error('a private Docker engine needs root; start a Docker engine and set DOCKER_HOST instead');
  const path = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);
  const found = await findAll(path);
  const missing = missingWords(found);
  if (missing !== undefined) throw new Error(missing);
  const at = (program: Program): string => found.get(program) as string;
  return {
    busybox: at('busybox'), unshare: at('unshare'), setpriv: at('setpriv'), flock: at('flock'),
    majorVersion: await majorVersion(at('dockerd')),
    path,
  };
}

/** What is not in `path`, and how to get it; undefined when all is there. */
export async function missingParts(path: string): Promise<string | undefined> {
  return missingWords(await findAll(path));
}

function missingWords(found: ReadonlyMap<Program, string>): string | undefined {
  const missing = (Object.keys(packages) as Program[]).filter((program) => !found.has(program));
  if (missing.length === 0) return undefined;
  const wanted = [...new Set(missing.map((program) => packages[program]))];
  return `a private Docker engine needs ${missing.join(', ')}; on Debian: apt-get install --no-install-recommends ${wanted.join(' ')}`;
}

async function findAll(path: string): Promise<Map<Program, string>> {
  const found = new Map<Program, string>();
  for (const program of Object.keys(packages) as Program[]) {
    const at = await find(program, path);
    if (at !== undefined) found.set(program, at);
  }
  return found;
}

async function find(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((one) => one !== '')) {
    const file = join(folder, program);
    if (await access(file, constants.X_OK).then(() => true, () => false)) return file;
  }
  return undefined;
}

async function majorVersion(dockerd: string): Promise<number> {
  const { stdout } = await promisify(execFile)(dockerd, ['--version']);
  return Number(/version (\d+)/.exec(stdout)?.[1] ?? 0);
}
