// What a job hands on to the jobs after it: the lines `NAME=value` of the file that it writes to.

import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { formatSize } from '../../../calls/contract/units.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { entriesOf } from '../../support/archive/entries.ts';
import { failedAt } from './failure.ts';

/**
 * `archive` is what `StepContainer.get` gave for the file. Of several lines with one name the last counts; names not in `names` are passed over; those not
 * written are absent. Throws WorkFailed when the file is larger than the bound.
 */
export async function readOutputs(archive: Archive | undefined, names: readonly string[], limits: Pick<Limits, 'jobOutputsBytesMax'>): Promise<Readonly<Record<string, string>>> {
  return archive === undefined ? {} : outputsIn(await textOf(archive, limits.jobOutputsBytesMax), names);
}

/** Values are as they stand there, without quotes being taken off; a line may end with CR LF. */
export function outputsIn(text: string, names: readonly string[]): Readonly<Record<string, string>> {
  const wanted = new Set(names);
  const found = text.replace(/^\uFEFF/, '').split('\n').flatMap((line): [string, string][] => {
    const [, name = '', value = ''] = /^\s*([^=\s]+)=(.*?)\r?$/s.exec(line) ?? [];
    return wanted.has(name) ? [[name, value]] : [];
  });
  return Object.fromEntries(found);
}

async function textOf(archive: Archive, bytesMax: number): Promise<string> {
  try {
    for await (const { kind, size, content } of entriesOf(archive)) {
      // A folder, or a link to what is elsewhere: nothing was written to it.
      if (kind !== 'file') return '';
      if (size > bytesMax) throw new WorkFailed(`the outputs of the job are more than ${formatSize(bytesMax)} (limit jobOutputsBytesMax)`);
      const pieces: Uint8Array[] = [];
      for await (const piece of content) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    }
    return '';
  } catch (error) {
    throw failedAt('cannot read the outputs of the job', error);
  }
}
