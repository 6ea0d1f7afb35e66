// Selects the outputs that a job declares from those that it wrote.

import { WorkFailed } from '../../../../calls/contract/engines.ts';
import type { JobResults } from '../scheduler/job-results.ts';
import type { Attempt } from './attempt.ts';

type Values = Readonly<Record<string, string>>;

/** Returns every declared output. An output that the job did not write is empty and causes a warning. */
export function completeOutputs(
  { planned: { id, job }, warn }: Pick<Attempt, 'planned' | 'warn'>,
  written: Values,
): Values {
  for (const name of job.outputs)
    if (!Object.hasOwn(written, name)) warn(`job '${id}' did not write its output ${name}; it is empty`);
  return Object.fromEntries(job.outputs.map((name) => [name, written[name] ?? '']));
}

/**
 * Records the outputs of a job whose script failed, for jobs that run in spite of the failure or because of it. If the
 * outputs cannot be read, all of them are empty, and a warning says why.
 */
export async function recordOutputsOfFailure(
  { planned: { id, job }, warn }: Pick<Attempt, 'planned' | 'warn'>,
  results: JobResults,
  read: () => Promise<Values>,
): Promise<void> {
  try {
    results.record(id, { outputs: await read(), artifacts: [] });
  } catch (error) {
    if (!(error instanceof WorkFailed)) throw error;
    warn(`job '${id}': its outputs are empty: ${error.message}`);
    results.record(id, { outputs: Object.fromEntries(job.outputs.map((name) => [name, ''])), artifacts: [] });
  }
}
