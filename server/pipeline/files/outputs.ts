// What a job hands on to the jobs after it: the lines `NAME=value` of the file that it writes to.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { Limits } from '../../../protocol/limits.ts';

/**
 * `archive` is what `StepContainer.get` gave for the file. Of several lines with one name the last counts; names not in `names` are passed over; those not
 * written are absent. Throws WorkFailed when the file is larger than the bound.
 */
export function readOutputs(archive: Archive | undefined, names: readonly string[], bounds: Pick<Limits, 'jobOutputsBytesMax'>): Promise<Readonly<Record<string, string>>> {
  throw new Error(`to be written: ${String(archive)} ${names.length} ${bounds.jobOutputsBytesMax}`);
}
