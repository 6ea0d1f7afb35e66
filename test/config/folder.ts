// A folder of its own for each test, with a configuration in it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatProblem } from '../../server/config/format.ts';
import { loadConfig } from '../../server/config/load.ts';
import type { Config } from '../../server/config/config.ts';

export interface Folder {
  readonly path: string;
  /** Absolute path of the configuration. */
  readonly file: string;
  /** Writes `name` and gives its absolute path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Writes the configuration and loads it; throws when it is refused. */
  load(text: string): Promise<Config>;
  /** Writes the configuration, loads it, and gives the headlines of its problems without the folder. */
  problems(text: string | Uint8Array): Promise<readonly string[]>;
}

/** Runs `body` in a new folder, and removes it. */
export async function inFolder(body: (folder: Folder) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'distillery-config-'));
  try {
    await body(folderAt(path));
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

function folderAt(path: string): Folder {
  const file = join(path, 'distillery.yaml');
  const write = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(path, name), content);
    return join(path, name);
  };
  return {
    path,
    file,
    write,
    async load(text) {
      const loaded = await loadConfig(await write('distillery.yaml', text));
      if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
      return loaded.config;
    },
    async problems(text) {
      const loaded = await loadConfig(await write('distillery.yaml', text));
      return loaded.ok ? [] : loaded.problems.map((problem) => formatProblem(problem).replaceAll(`${path}/`, ''));
    },
  };
}
