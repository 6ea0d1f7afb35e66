// Finds the programs that a private engine needs, or names the packages to install.

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** Debian package of each program. */
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

export interface EnginePrograms {
  readonly busybox: string;
  readonly unshare: string;
  readonly setpriv: string;
  readonly flock: string;
  readonly majorVersion: number;
  /** PATH for the engine: that of the gateway plus system folders that users often lack. */
  readonly path: string;
}

/** Throws an Error that names all missing programs and their packages. */
export async function findEnginePrograms(): Promise<EnginePrograms> {
  if (process.platform !== 'linux') throw new Error(`a private Docker engine needs Linux; this is ${process.platform}`);
  if (process.getuid?.() !== 0)
    throw new Error('a private Docker engine needs root; start a Docker engine and set DOCKER_HOST instead');
  const path = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);
  const programs = await findAll(path);
  const missing = missingMessage(programs);
  if (missing !== undefined) throw new Error(missing);
  const programPath = (program: Program): string => programs.get(program) as string;
  return {
    busybox: programPath('busybox'),
    unshare: programPath('unshare'),
    setpriv: programPath('setpriv'),
    flock: programPath('flock'),
    majorVersion: await majorVersion(programPath('dockerd')),
    path,
  };
}

/**
 * Describes which programs are missing in `path`, a value of PATH, and how to install them. Undefined if nothing is
 * missing.
 */
export async function describeMissingPrograms(path: string): Promise<string | undefined> {
  return missingMessage(await findAll(path));
}

function missingMessage(programs: ReadonlyMap<Program, string>): string | undefined {
  const missing = (Object.keys(packages) as Program[]).filter((program) => !programs.has(program));
  if (missing.length === 0) return undefined;
  const packageNames = [...new Set(missing.map((program) => packages[program]))];
  const install = `apt-get install --no-install-recommends ${packageNames.join(' ')}`;
  return `a private Docker engine needs ${missing.join(', ')}; on Debian: ${install}`;
}

async function findAll(path: string): Promise<Map<Program, string>> {
  const programs = new Map<Program, string>();
  for (const program of Object.keys(packages) as Program[]) {
    const found = await find(program, path);
    if (found !== undefined) programs.set(program, found);
  }
  return programs;
}

async function find(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((one) => one !== '')) {
    const file = join(folder, program);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}

async function majorVersion(dockerd: string): Promise<number> {
  const { stdout } = await promisify(execFile)(dockerd, ['--version']);
  return Number(/version (\d+)/.exec(stdout)?.[1] ?? 0);
}
