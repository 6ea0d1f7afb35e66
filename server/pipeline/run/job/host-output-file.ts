// The output file of a host job, in its own folder. The folder is an obligation of the run and is removed with the
// attempt.

import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pack } from 'tar-stream';
import type { Archive } from '../../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../../calls/contract/engines.ts';
import type { Release, RunPorts } from '../../../../calls/contract/ports.ts';
import type { Limits } from '../../../../protocol/limits.ts';
import { makeFolder } from '../../../support/make-folder.ts';
import { readOutputs } from '../../files/files.ts';

export interface HostOutputFilesDeps {
  readonly ports: Pick<RunPorts, 'run' | 'openObligation'>;
  /** Parent of the created folders. `releaseFolder` removes only its children. */
  readonly work: string;
  readonly limits: Pick<Limits, 'jobOutputsBytesMax'>;
}

export interface OutputFile {
  readonly path: string;
  /** Returns the values that the job wrote for these names. Rejects with WorkFailed if the file exceeds the limit. */
  read(names: readonly string[], warn: (message: string) => void): Promise<Readonly<Record<string, string>>>;
  /** Removes the file and its folder. */
  close(): Promise<Release>;
}

export class HostOutputFiles {
  readonly #deps: HostOutputFilesDeps;
  #count = 0;

  constructor(deps: HostOutputFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Creates the file. Its folder is journaled before it exists. Rejects with WorkFailed if the folder cannot be
   * created.
   */
  async open(): Promise<OutputFile> {
    const { ports, work, limits } = this.#deps;
    const id = `outputs-${(this.#count += 1)}`;
    const folder = join(resolve(work), `${ports.run}-${id}`);
    const obligation = ports.openObligation('folder', id, { path: folder });
    const creating = createOutputFile(work, folder);
    obligation.pendingUntil(creating);
    await creating.catch((cause: unknown) => {
      throw new WorkFailed('cannot create the folder for outputs', { cause });
    });
    const path = join(folder, 'output');
    return {
      path,
      read: async (names, warn) =>
        readOutputs(await readAsArchive(path, limits.jobOutputsBytesMax), names, { ...limits, warn }),
      close: () => obligation.release(),
    };
  }
}

async function createOutputFile(work: string, folder: string): Promise<void> {
  makeFolder(work);
  await mkdir(folder, { mode: 0o700 });
  await writeFile(join(folder, 'output'), '');
}

/**
 * Returns the file in the format of `StepContainer.get`. Reads at most one byte beyond the limit, which is enough to
 * detect a file that is too large.
 */
async function readAsArchive(path: string, bytesMax: number): Promise<Archive | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() !== true) return undefined;
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(Math.min(stats.size, bytesMax + 1));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const archive = pack();
    archive.entry({ name: 'output' }, bytes.subarray(0, bytesRead));
    archive.finalize();
    return archive as unknown as Archive;
  } finally {
    await file.close();
  }
}
