// A temporary folder with a configuration for each test.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatDiagnosticLine } from '../../../calls/text/format-diagnostics.ts';
import type { Config } from '../../../server/config/config.ts';
import { loadConfig } from '../../../server/config/load/load.ts';

export interface Folder {
  readonly path: string;
  /** Absolute path of the configuration. */
  readonly file: string;
  /** Writes the file `name` and returns its absolute path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Writes and loads the configuration. Rejects if it has diagnostics. */
  load(text: string): Promise<Config>;
  /** Writes and loads the configuration. Returns the first lines of its diagnostics, without the folder. */
  diagnostics(text: string | Uint8Array): Promise<readonly string[]>;
}

/** Runs `body` in a new folder and removes the folder. */
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
      if (!loaded.ok) throw new Error(loaded.diagnostics.map(formatDiagnosticLine).join('\n'));
      return loaded.config;
    },
    async diagnostics(text) {
      const loaded = await loadConfig(await write('distillery.yaml', text));
      return loaded.ok
        ? []
        : loaded.diagnostics.map((problem) => formatDiagnosticLine(problem).replaceAll(`${path}/`, ''));
    },
  };
}
