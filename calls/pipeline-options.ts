// Options of `pipeline.run`: JSON in a param, checked as strictly as the configuration.

import { quote } from './text/quote.ts';
import { didYouMean } from './text/suggest.ts';

export interface PipelineOptions {
  /** Name of the pipeline text in diagnostics. */
  readonly file: string;
  readonly variables: Readonly<Record<string, string>>;
  /**
   * `input`: the run's input is an archive. `none`: the pipeline receives no files. Any other value is a folder
   * (absolute, without `.` and `..`).
   */
  readonly workspace: string;
  /** Names or ids of jobs to run, with those they depend on. Empty: all jobs. */
  readonly jobs: readonly string[];
}

export type OptionsResult =
  | { readonly ok: true; readonly options: PipelineOptions }
  | {
      readonly ok: false /** What is wrong with the options, in one sentence each. */;
      readonly errors: readonly string[];
    };

export const optionDefaults = {
  file: 'pipeline.yaml',
  variables: {},
  workspace: 'none',
  jobs: [],
} as const satisfies PipelineOptions;

const fileCharsMax = 200;
const jobNamesMax = 1_000;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Parses and checks the options. `workspaces` are the allowed folders; their subfolders are allowed too. */
export function readPipelineOptions(text: string, workspaces: readonly string[]): OptionsResult {
  const options = parseJson(text);
  if (!isObject(options))
    return {
      ok: false,
      errors: [`${quote(text)} is not a JSON object; write one such as {"variables":{"TAG":"v1"}}`],
    };
  const errors = Object.entries(options).flatMap(([key, value]) => {
    if (!Object.hasOwn(checks, key)) return [unknownOption(key)];
    return checks[key as keyof PipelineOptions](value, workspaces);
  });
  return errors.length > 0
    ? { ok: false, errors }
    : { ok: true, options: { ...optionDefaults, ...(options as Partial<PipelineOptions>) } };
}

function unknownOption(key: string): string {
  const known = Object.keys(checks);
  return `unknown option ${quote(key)}${didYouMean(key, known) || `; the options are ${known.join(', ')}`}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Check = (value: unknown, workspaces: readonly string[]) => readonly string[];

const checks: { readonly [option in keyof PipelineOptions]: Check } = {
  file(value) {
    // Every diagnostic shows the name, so it must not contain control characters.
    if (typeof value === 'string' && value !== '' && value.length <= fileCharsMax && !/[\0-\x1f\x7f-\x9f]/.test(value))
      return [];
    return [`file must be a name of 1 to ${fileCharsMax} characters, not ${quote(value)}`];
  },
  variables(value) {
    if (!isObject(value)) return [`variables must be an object, not ${quote(value)}`];
    return Object.entries(value).flatMap(([name, content]) => [
      ...(variableName.test(name)
        ? []
        : [`${quote(name)} is not a valid variable name: use letters, digits and "_", and do not start with a digit`]),
      ...(typeof content !== 'string'
        ? [`the variable ${quote(name)} must be a string, not ${quote(content)}`]
        : content.includes('\0')
          ? [`the variable ${quote(name)} must not contain a NUL character`]
          : []),
    ]);
  },
  workspace(value, workspaces) {
    if (value === 'none' || value === 'input') return [];
    if (typeof value !== 'string' || !value.startsWith('/') || value.includes('\0'))
      return [`workspace must be "none", "input" or an absolute folder, not ${quote(value)}`];
    if (value.split('/').some((part) => part === '.' || part === '..'))
      return [`workspace ${quote(value)} must be written without "." and ".."`];
    if (workspaces.some((folder) => isWithin(value, folder))) return [];
    return [
      `workspace ${quote(value)} is not in an allowed folder; pipelines.workspaces in the configuration lists them`,
    ];
  },
  jobs(value) {
    const isName = (item: unknown): boolean => typeof item === 'string' && item !== '';
    return Array.isArray(value) && value.length <= jobNamesMax && value.every(isName)
      ? []
      : [`jobs must be a list of at most ${jobNamesMax} names of jobs, not ${quote(value)}`];
  },
};

/** Compares only the text of the paths; links are resolved when the run starts. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
