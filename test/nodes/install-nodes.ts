// Installs the supported versions of Node from the npm registry into a folder of the project.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface NodeVersion {
  /** Such as `22.23.5`. */
  readonly version: string;
  /** Absolute path of the executable. */
  readonly path: string;
}

const majors = [20, 22, 24, 26];

/**
 * Uses the running Node for its major version. The other versions come from packages named `node-PLATFORM-ARCH`.
 */
export function installNodes(root: string): readonly NodeVersion[] {
  const own = Number(process.versions.node.split('.')[0]);
  const others = majors.filter((major) => major !== own);
  const folder = join(root, '.cache/nodes');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: packagesFor(others) }));
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return majors.map((major) => {
    const path = major === own ? process.execPath : join(folder, `node_modules/node-${major}/bin/node`);
    return { path, version: execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim() };
  });
}

function packagesFor(versions: readonly number[]): Readonly<Record<string, string>> {
  const name = `node-${process.platform}-${process.arch}`;
  return Object.fromEntries(versions.map((major) => [`node-${major}`, `npm:${name}@${major}`]));
}
