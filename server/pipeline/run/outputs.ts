// The outputs of a job: the file it writes them to, put into its container before it starts, and what is made of what it wrote.

import { pack } from 'tar-stream';
import type { Archive } from '../../../calls/contract/containers.ts';
import type { Attempt } from './attempt.ts';

/** Not in the job's working folder, which may be copied, kept or empty; anybody may write there, for the job may run as anybody. */
export const outputPlace = {
  folder: '/.distillery',
  file: '/.distillery/output',
  archive: (): Archive => {
    const archive = pack();
    archive.entry({ name: './', type: 'directory', mode: 0o777 });
    archive.entry({ name: 'output', mode: 0o666 }, '');
    archive.finalize();
    return archive as unknown as Archive;
  },
} as const;

/** Every output that the job has declared: what it has not written is empty, and that is told. */
export function allOutputs({ planned: { id, job }, warn }: Pick<Attempt, 'planned' | 'warn'>, written: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const name of job.outputs) if (!Object.hasOwn(written, name)) warn(`job '${id}' has not written its output ${name}; it is empty`);
  return Object.fromEntries(job.outputs.map((name) => [name, written[name] ?? '']));
}
