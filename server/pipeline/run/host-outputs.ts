// The file into which a host job writes its outputs: in a folder of its own, which is an obligation of the run and gone with the try.

import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pack } from 'tar-stream';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Release, RunPorts } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { readOutputs } from '../files/files.ts';

export interface HostOutputsParts {
  readonly ports: Pick<RunPorts, 'run' | 'owe'>;
  /** The folder in which `releaseFolder` may remove folders. */
  readonly work: string;
  readonly limits: Pick<Limits, 'jobOutputsBytesMax'>;
}

export interface OutputFile {
  readonly path: string;
  /** What was written, of these names. Throws WorkFailed when it is too much. */
  read(names: readonly string[]): Promise<Readonly<Record<string, string>>>;
  /** Removes it. */
  close(): Promise<Release>;
}

export class HostOutputs {
  readonly #parts: HostOutputsParts;
  #made = 0;

  constructor(parts: HostOutputsParts) {
    this.#parts = parts;
  }

  /** Journaled before it is made. Throws WorkFailed when it cannot be. */
  async open(): Promise<OutputFile> {
    const { ports, work, limits } = this.#parts;
    const id = `outputs-${(this.#made += 1)}`;
    const folder = join(resolve(work), `${ports.run}-${id}`);
    const owed = ports.owe('folder', id, { path: folder });
    const making = make(work, folder);
    owed.during(making);
    await making.catch((cause: unknown) => { throw new WorkFailed('the folder for outputs cannot be made', { cause }); });
    const path = join(folder, 'output');
    return { path, read: async (names) => readOutputs(await archiveOf(path, limits.jobOutputsBytesMax), names, limits), close: () => owed.release() };
  }
}

async function make(work: string, folder: string): Promise<void> {
  await mkdir(work, { recursive: true });
  await mkdir(folder, { mode: 0o700 });
  await writeFile(join(folder, 'output'), '');
}

/** As `StepContainer.get` gives it; one byte more than there may be is enough to be refused. */
async function archiveOf(path: string, bytesMax: number): Promise<Archive | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(Math.min(found.size, bytesMax + 1));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const archive = pack();
    archive.entry({ name: 'output' }, bytes.subarray(0, bytesRead));
    archive.finalize();
    return archive as unknown as Archive;
  } finally {
    await file.close();
  }
}
