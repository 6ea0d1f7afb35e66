// The first look at a file: which of its keys are settings, which are jobs, and which of those run.

import { cut } from '../../../calls/contract/quote.ts';
import type { MappingValue, YamlEntry } from '../../support/yaml/values.ts';
import { nameCharsMax } from './bounds.ts';
import type { Field, Ground } from './field.ts';
import { jobKeys } from './keys/job-keys.ts';
import type { WrittenName } from './keys/mentions.ts';
import { lateKeys, topKeys } from './keys/top-keys.ts';
import { readKeys, twice, type Reading } from './read-keys.ts';
import type { FileFacts, JobFacts, NamedJob } from './rules/rule.ts';
import { meant } from './ways.ts';

export interface ReadFile extends Pick<FileFacts, 'jobs' | 'names' | 'workflow'> {
  readonly settings: Reading<typeof topKeys>['values'];
}

/** Reads the keys of the file, and those of every job that runs. */
export function readFile(root: MappingValue, ground: Ground): ReadFile {
  const { settings, jobs } = sort(root, ground);
  const { values, fields } = readKeys({ value: settings, ground }, topKeys);
  if (fields.workflow === undefined && ![...jobs.values()].some(hasNeeds)) tellNoWorkflow(root, jobs, ground);
  const names = namesOf(jobs, values.workflow);
  tellUndefined(values.workflow ?? [], jobs, ground);
  const read = [...jobs].flatMap(([key, entry]) => readEntry(entry, names.get(key)!, ground));
  return { settings: values, names, jobs: read, ...(values.workflow !== undefined && { workflow: values.workflow }) };
}

/** Jobs by their lower-cased names. */
type Jobs = ReadonlyMap<string, YamlEntry>;

function sort(root: MappingValue, ground: Ground): { readonly settings: MappingValue; readonly jobs: Jobs } {
  const settingNames = new Set(Object.keys(topKeys).map((name) => name.toLowerCase()));
  const late = new Set(lateKeys.map((name) => name.toLowerCase()));
  const isSetting = ({ key, value }: YamlEntry): boolean => settingNames.has(key.toLowerCase()) && !(late.has(key.toLowerCase()) && value.is === 'mapping');
  const jobs = new Map<string, YamlEntry>();
  for (const entry of root.entries.filter((one) => !isSetting(one))) {
    const before = jobs.get(entry.key.toLowerCase());
    if (before === undefined) jobs.set(entry.key.toLowerCase(), entry);
    else if (before.key !== entry.key) tellTwice(entry, before, ground);
  }
  return { settings: { ...root, entries: root.entries.filter(isSetting) }, jobs };
}

function tellTwice({ key, at }: YamlEntry, before: YamlEntry, ground: Ground): void {
  ground.tell({ code: 'INVALID_CONFIG', message: twice(key, before.key, ground.lines.linePos(before.at.start).line), at, job: key });
}

function hasNeeds({ value }: YamlEntry): boolean {
  return value.is === 'mapping' && value.entries.some(({ key }) => key.toLowerCase() === 'needs');
}

/** Without a workflow the needs of jobs are their order. Where there are none of these either, one was forgotten. */
function tellNoWorkflow(root: MappingValue, jobs: Jobs, ground: Ground): void {
  const names = [...jobs.values()].filter(({ value }) => value.is === 'mapping').map(({ key }) => key);
  ground.tell({
    code: 'MISSING_FIELD', field: 'workflow', message: 'workflow must be defined and cannot be empty', at: { start: root.start, end: root.start + 1 },
    suggestions: [`write workflow: [${cut(names.length === 0 ? 'build' : names.join(', '))}]`, ...(names.length > 1 ? ["or order the jobs by 'needs'"] : [])],
  });
}

/** A job is called as the workflow spells it first. */
function namesOf(jobs: Jobs, workflow: readonly WrittenName[] | undefined): ReadonlyMap<string, NamedJob> {
  const spelled = new Map<string, string>();
  for (const { text } of workflow ?? []) if (!spelled.has(text.toLowerCase())) spelled.set(text.toLowerCase(), text);
  return new Map([...jobs].map(([key, entry]) => [key, {
    name: spelled.get(key) ?? entry.key,
    runs: workflow === undefined ? entry.value.is === 'mapping' || entry.value.is === 'null' : spelled.has(key),
  }]));
}

function tellUndefined(workflow: readonly WrittenName[], jobs: Jobs, ground: Ground): void {
  const told = new Set<string>();
  for (const { text, at } of workflow) {
    const key = text.toLowerCase();
    if (jobs.has(key) || told.has(key)) continue;
    told.add(key);
    const isSetting = Object.keys(topKeys).some((name) => name.toLowerCase() === key);
    ground.tell({
      code: 'MISSING_FIELD', message: notDefined(text), at, job: text,
      suggestions: isSetting ? [`'${text}' is a setting of the file; give the job another name`] : meant(text, [...jobs.values()].map((job) => job.key)),
    });
  }
}

function notDefined(name: string): string {
  return `job '${cut(name)}' is not defined or is empty`;
}

function readEntry({ key, at, value }: YamlEntry, { name, runs }: NamedJob, ground: Ground): readonly JobFacts[] {
  if (!runs) {
    const isJob = value.is === 'mapping' || value.is === 'null';
    ground.tell({
      code: 'UNKNOWN_FIELD', severity: 'warning', at, ...(isJob ? { job: key } : { field: key }), message: isJob ? `job '${cut(key)}' is not in the workflow and does not run` : `unknown key '${cut(key)}'`,
      suggestions: isJob ? [] : meant(key, Object.keys(topKeys)),
    });
    return [];
  }
  if (value.is !== 'mapping' || value.entries.length === 0) {
    ground.tell({ code: 'MISSING_FIELD', message: notDefined(name), at, job: name, suggestions: ["write what it does, such as 'image' and 'script'"] });
    return [];
  }
  if (name.length > nameCharsMax || name.trim() === '' || /[\0-\x1f\x7f-\x9f]/.test(name)) {
    ground.tell({ code: 'INVALID_FIELD_VALUE', message: `the name of a job must be one line of 1 to ${nameCharsMax} characters`, at, job: name });
  }
  const holder: Pick<Field, 'value' | 'job' | 'ground'> = { value, job: name, ground };
  return [{ name, at, ground, ...readKeys(holder, jobKeys) }];
}
