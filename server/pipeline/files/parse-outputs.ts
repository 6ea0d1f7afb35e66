// Parses the outputs of a job in its output file: lines `NAME=value`, and blocks `NAME<<END … END` of several lines.

import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { formatSize } from '../../../calls/text/units.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { readEntries } from '../../archive/read-entries.ts';
import { toWorkFailed } from './to-work-failed.ts';

/**
 * Returns the values by name. `archive` is what `StepContainer.get` returned for the output file. If several lines have
 * the same name, the last one counts. Ignores names that are not in `names`, and omits names without a line.
 *
 * Rejects with WorkFailed if the file exceeds the limit or cannot be read.
 */
export async function readOutputs(
  archive: Archive | undefined,
  names: readonly string[],
  { jobOutputsBytesMax, warn }: OutputOptions,
): Promise<Readonly<Record<string, string>>> {
  return archive === undefined ? {} : parseOutputs(await readText(archive, jobOutputsBytesMax), names, warn);
}

export interface OutputOptions extends Pick<Limits, 'jobOutputsBytesMax'> {
  /** Called for a block without an end. */
  warn(message: string): void;
}

/**
 * Returns the values by name. Keeps quotes in values. Accepts lines that end with CR LF. A block without its end sets
 * nothing: its first line is skipped with a warning, and the following lines count as ordinary lines.
 */
export function parseOutputs(
  text: string,
  names: readonly string[],
  warn: OutputOptions['warn'],
): Readonly<Record<string, string>> {
  const known = new Set(names);
  const lines = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''));
  const values: [string, string][] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [, name = '', operator, rest = ''] = /^\s*([^=\s]+?)(=|<<(?=\S+$))(.*)$/s.exec(lines[at]!) ?? [];
    const end = operator === '<<' ? lines.indexOf(rest, at + 1) : at;
    if (end === -1) warn(`the output ${name} has no value: its block has no line "${rest}" at the end`);
    else if (operator !== undefined) {
      const value = operator === '<<' ? lines.slice(at + 1, end).join('\n') : rest;
      if (known.has(name)) values.push([name, value]);
      at = end;
    }
  }
  return Object.fromEntries(values);
}

async function readText(archive: Archive, bytesMax: number): Promise<string> {
  try {
    for await (const { kind, size, content } of readEntries(archive)) {
      // The job replaced the file with a folder or a link, so the job has no outputs.
      if (kind !== 'file') return '';
      if (size > bytesMax)
        throw new WorkFailed(`the outputs of the job exceed ${formatSize(bytesMax)} (limit jobOutputsBytesMax)`);
      const pieces: Uint8Array[] = [];
      for await (const piece of content) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    }
    return '';
  } catch (error) {
    throw toWorkFailed('cannot read the outputs of the job', error);
  }
}
