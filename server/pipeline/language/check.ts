// Text to a checked pipeline, or to every complaint about it. Each phase is a function of the one before; the same text gives the same answer.

import { formatSize } from '../../../calls/contract/units.ts';
import { readYaml, type YamlDocument } from '../../support/yaml/document.ts';
import type { Fault } from '../../support/yaml/fault.ts';
import { valuesOf } from '../../support/yaml/values.ts';
import { repeatedMax, textBytesMax } from './bounds.ts';
import type { Complaint } from './complaint.ts';
import { createExpressionCheck } from './expressions.ts';
import type { Ground } from './field.ts';
import { readFile, type ReadFile } from './file.ts';
import { makeJob } from './job.ts';
import { complaintsOf, isError, placeOf, type Remark } from './remark.ts';
import { fileRules, jobRules } from './rules/list.ts';
import type { Mention, Pipeline } from './tree.ts';

export interface CheckOptions {
  /** Whether jobs may run on the machine of the gateway; true when absent, for those who look after that themselves. */
  readonly hostJobs?: boolean;
}

export interface Checked {
  /** Absent exactly when there is an error among the complaints. */
  readonly pipeline?: Pipeline;
  /** In the order of the file, all at once, up to `complaintsMax` and one that says how many there are more. */
  readonly complaints: readonly Complaint[];
}

/** Never throws, whatever the text is, and takes time in proportion to it. */
export function checkPipeline(text: string, { hostJobs = true }: CheckOptions = {}): Checked {
  const bare = text.replace(/^\uFEFF/, '');
  const beyond = Buffer.byteLength(bare) > textBytesMax;
  const yaml = readYaml(beyond ? '' : bare);
  const remarks: Remark[] = beyond ? [unreadable(0, `the text is larger than ${formatSize(textBytesMax)}`)] : yaml.faults.map(ofFault);
  const ground: Ground = { text: yaml.text, lines: yaml.lines, tell: (remark) => { remarks.push(remark); }, checkExpression: createExpressionCheck() };
  const file = beyond || !yaml.readable ? undefined : readRoot(yaml, ground);
  if (file !== undefined) applyRules(file, ground, hostJobs);
  const complaints = complaintsOf(remarks, ground);
  return file === undefined || remarks.some(isError) ? { complaints } : { pipeline: pipelineOf(file, ground), complaints };
}

function unreadable(at: number, detail: string, suggestions: readonly string[] = []): Remark {
  return { code: 'INVALID_CONFIG', message: `failed to parse YAML configuration: ${detail}`, at: { start: at, end: at + 1 }, suggestions };
}

/** Marks that YAML takes for its own at the beginning of a value, and people mean as text. */
const quotable: Readonly<Record<string, string>> = {
  TAG_RESOLVE_FAILED: "put a value that begins with '!' in quotes", BAD_SCALAR_START: 'put the value in quotes', UNEXPECTED_TOKEN: 'put the value in quotes when it is meant to be one text',
  MISSING_CHAR: "put the value in quotes when it has ': ' or ends in ':'", BLOCK_AS_IMPLICIT_KEY: "put the value in quotes when it has ': '",
};

function ofFault({ kind, code = '', offset, message }: Fault): Remark {
  const suggestion = kind === 'alias' ? "put a text that begins with '*' in quotes" : quotable[code];
  return unreadable(offset, message, suggestion === undefined ? [] : [suggestion]);
}

function readRoot(yaml: YamlDocument, ground: Ground): ReadFile | undefined {
  const { root, repeated } = valuesOf(yaml);
  if (repeated > repeatedMax) return tellUnreadable(ground, yaml.aliases.last?.range?.[0] ?? 0, `aliases repeat ${repeated} values; ${repeatedMax} is the most they may: write them out, or use fewer`);
  if (root.is === 'mapping') return readFile(root, ground);
  // A file with nothing in it is a pipeline without a workflow.
  if (root.is === 'null') return readFile({ is: 'mapping', entries: [], start: 0, end: 0 }, ground);
  return tellUnreadable(ground, root.start, `the file must be a mapping (key: value), found ${root.is}`);
}

function tellUnreadable(ground: Ground, at: number, detail: string): undefined {
  ground.tell(unreadable(at, detail));
}

function applyRules(file: ReadFile, ground: Ground, hostJobs: boolean): void {
  const facts = { ...file, ground, hostJobs };
  for (const job of file.jobs) for (const rule of jobRules) rule(job, facts);
  for (const rule of fileRules) rule(facts);
}

function pipelineOf({ settings, names, jobs, workflow }: ReadFile, ground: Ground): Pipeline {
  const { docker: { host } = {}, logsWithTime = false, failFast = true } = settings;
  return {
    logsWithTime, failFast, ...(host !== undefined && { dockerHost: host }),
    ...(workflow !== undefined && { workflow: workflow.map(({ text, at }): Mention => ({ name: names.get(text.toLowerCase())!.name, place: placeOf(at, ground) })) }),
    jobs: jobs.map((job) => makeJob(job, names)),
  };
}
