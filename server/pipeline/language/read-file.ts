// Splits a file into settings and jobs, decides which jobs run, and reads all keys.

import { truncate } from '../../../calls/text/quote.ts';
import { isTemplateKey } from '../../yaml/template-keys.ts';
import type { MappingValue, YamlEntry } from '../../yaml/value-tree.ts';
import { applyDefaults } from './apply-defaults.ts';
import type { CheckContext, Field } from './field.ts';
import { jobForeignKeys } from './foreign/foreign-keys.ts';
import { reportMisplaced } from './foreign/misplaced-keys.ts';
import { jobKeys } from './keys/job-keys.ts';
import type { NameRef } from './keys/job-names.ts';
import { scalarText } from './keys/string.ts';
import { keysUsableAsJobNames, topKeys } from './keys/top-keys.ts';
import { nameCharsMax } from './limits.ts';
import { duplicateKeyMessage, type KeyReadings, readKeys } from './read-keys.ts';
import type { FileReadings, JobReadings, NamedJob } from './rules/rule.ts';
import { suggestName } from './suggestions.ts';

type Settings = KeyReadings<typeof topKeys>['values'];

export interface FileContent extends Pick<FileReadings, 'jobs' | 'names' | 'workflow'> {
  readonly settings: Settings;
}

/** Reads the settings, and the keys of every job that runs. */
export function readFile(root: MappingValue, context: CheckContext): FileContent {
  const { settings, jobs } = splitSettingsAndJobs(root, context);
  const { values, fields } = readKeys({ value: settings, context }, topKeys);
  if (fields.workflow === undefined && ![...jobs.values()].some(hasNeeds)) reportMissingWorkflow(root, jobs, context);
  const names = nameJobs(jobs, values.workflow);
  reportUndefinedJobs(values.workflow ?? [], jobs, context);
  const read = [...jobs].flatMap(([key, entry]) =>
    readJob(entry, names.get(key)!, { context, defaults: values.defaults }),
  );
  return { settings: values, names, jobs: read, ...(values.workflow !== undefined && { workflow: values.workflow }) };
}

/** Jobs by their lowercase names. */
type Jobs = ReadonlyMap<string, YamlEntry>;

function splitSettingsAndJobs(
  root: MappingValue,
  context: CheckContext,
): { readonly settings: MappingValue; readonly jobs: Jobs } {
  const settingNames = new Set(Object.keys(topKeys).map((name) => name.toLowerCase()));
  const allowedAsJobs = new Set(keysUsableAsJobNames.map((name) => name.toLowerCase()));
  const named = namesInWorkflow(root);
  const isJobName = ({ key, value }: YamlEntry): boolean =>
    allowedAsJobs.has(key.toLowerCase()) &&
    value.is === 'mapping' &&
    (key.toLowerCase() !== 'defaults' || named.has('defaults'));
  const isSetting = (entry: YamlEntry): boolean => settingNames.has(entry.key.toLowerCase()) && !isJobName(entry);
  const isIgnored = (entry: YamlEntry): boolean =>
    !named.has(entry.key.toLowerCase()) && (isTemplateKey(entry.key) || reportMisplaced(entry, context));
  const jobs = new Map<string, YamlEntry>();
  for (const entry of root.entries.filter((one) => !isSetting(one) && !isIgnored(one))) {
    const before = jobs.get(entry.key.toLowerCase());
    if (before === undefined) jobs.set(entry.key.toLowerCase(), entry);
    else if (before.key !== entry.key && entry.merged !== true) reportDuplicateJob(entry, before, context);
  }
  return { settings: { ...root, entries: root.entries.filter(isSetting) }, jobs };
}

/** Lowercase names in the workflow, which are always jobs. Reports nothing. */
function namesInWorkflow(root: MappingValue): ReadonlySet<string> {
  const workflow = root.entries.find(({ key }) => key.toLowerCase() === 'workflow')?.value;
  const names =
    workflow?.is === 'list' ? workflow.items.map(scalarText) : (workflow && scalarText(workflow))?.split(/\s+/);
  return new Set(names?.map((name) => name?.trim().toLowerCase() ?? ''));
}

function reportDuplicateJob({ key, at }: YamlEntry, before: YamlEntry, context: CheckContext): void {
  context.report({
    code: 'INVALID_CONFIG',
    message: duplicateKeyMessage(key, before.key, context.lines.linePos(before.at.start).line),
    at,
    job: key,
  });
}

function hasNeeds({ value }: YamlEntry): boolean {
  return (
    value.is === 'mapping' && value.entries.some((one) => one.key.toLowerCase() === 'needs' && one.value.is !== 'null')
  );
}

/** Reports a file that has neither a workflow nor needs, because nothing orders its jobs. */
function reportMissingWorkflow(root: MappingValue, jobs: Jobs, context: CheckContext): void {
  const names = [...jobs.values()].filter(({ value }) => value.is === 'mapping').map(({ key }) => key);
  context.report({
    code: 'MISSING_FIELD',
    field: 'workflow',
    message: 'workflow must be defined and cannot be empty',
    at: { start: root.start, end: root.start + 1 },
    suggestions: [
      `write workflow: [${truncate(names.length === 0 ? 'build' : names.join(', '))}]`,
      ...(names.length > 1 ? ["or order the jobs by 'needs'"] : []),
    ],
  });
}

/**
 * Names each job as its first mention in the workflow spells it, or else as its definition does. Decides which jobs
 * run.
 */
function nameJobs(jobs: Jobs, workflow: readonly NameRef[] | undefined): ReadonlyMap<string, NamedJob> {
  const spelled = new Map<string, string>();
  for (const { text } of workflow ?? []) if (!spelled.has(text.toLowerCase())) spelled.set(text.toLowerCase(), text);
  return new Map(
    [...jobs].map(([key, entry]) => [
      key,
      {
        name: spelled.get(key) ?? entry.key,
        runs: workflow === undefined ? entry.value.is === 'mapping' || entry.value.is === 'null' : spelled.has(key),
      },
    ]),
  );
}

function reportUndefinedJobs(workflow: readonly NameRef[], jobs: Jobs, context: CheckContext): void {
  const reported = new Set<string>();
  for (const { text, at } of workflow) {
    const key = text.toLowerCase();
    if (jobs.has(key) || reported.has(key)) continue;
    reported.add(key);
    const isSetting = Object.keys(topKeys).some((name) => name.toLowerCase() === key);
    context.report({
      code: 'MISSING_FIELD',
      message: undefinedJobMessage(text),
      at,
      job: text,
      suggestions: isSetting
        ? [`'${text}' is a setting of the file; choose another name for the job`]
        : suggestName(
            text,
            [...jobs.values()].map((job) => job.key),
          ),
    });
  }
}

function undefinedJobMessage(name: string): string {
  return `job '${truncate(name)}' is not defined or is empty`;
}

function readJob(
  { key, at, value }: YamlEntry,
  { name, runs }: NamedJob,
  { context, defaults }: { readonly context: CheckContext; readonly defaults: Settings['defaults'] },
): readonly JobReadings[] {
  if (!runs) {
    const isJob = value.is === 'mapping' || value.is === 'null';
    context.report({
      code: 'UNKNOWN_FIELD',
      severity: 'warning',
      at,
      ...(isJob ? { job: key } : { field: key }),
      message: isJob
        ? `job '${truncate(key)}' is not in the workflow and does not run`
        : `unknown key '${truncate(key)}'`,
      suggestions: isJob
        ? ["add it to the workflow, or begin its name with 'x-' if it is a template"]
        : suggestName(key, Object.keys(topKeys)),
    });
    return [];
  }
  if (value.is !== 'mapping' || value.entries.length === 0) {
    context.report({
      code: 'MISSING_FIELD',
      message: undefinedJobMessage(name),
      at,
      job: name,
      suggestions: ["add its keys, such as 'image' and 'script'"],
    });
    return [];
  }
  if (name.length > nameCharsMax || name.trim() === '' || /[\0-\x1f\x7f-\x9f]/.test(name)) {
    context.report({
      code: 'INVALID_FIELD_VALUE',
      message: `the name of a job must be one line of 1 to ${nameCharsMax} characters`,
      at,
      job: name,
    });
  }
  const holder: Pick<Field, 'value' | 'job' | 'context'> = { value, job: name, context };
  return [{ name, at, context, ...applyDefaults(readKeys(holder, jobKeys, jobForeignKeys), defaults) }];
}
