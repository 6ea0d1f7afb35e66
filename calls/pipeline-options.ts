// The options of `pipeline.run`: JSON in a param, checked as strictly as the configuration is.

import { quote } from './contract/quote.ts';
import { didYouMean } from './contract/suggest.ts';

export interface PipelineOptions {
  /** What the text is called in complaints. */
  readonly file: string;
  readonly variables: Readonly<Record<string, string>>;
  /** `input`: the run's input is an archive. Anything else but `none` is a folder (absolute, without `.` and `..`). */
  readonly workspace: string;
}

export type ReadOptions = { readonly ok: true; readonly options: PipelineOptions } | { readonly ok: false; /** Each a sentence. */ readonly problems: readonly string[] };

export const optionDefaults = { file: 'pipeline.yaml', variables: {}, workspace: 'none' } as const satisfies PipelineOptions;

const fileCharsMax = 200;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `workspaces` are the folders that may be named, with all that is in them. */
export function readPipelineOptions(text: string, workspaces: readonly string[]): ReadOptions {
  const given = parsed(text);
  if (!isObject(given)) return { ok: false, problems: [`${quote(text)} is not a JSON object; write one such as {"variables":{"TAG":"v1"}}`] };
  const problems = Object.entries(given).flatMap(([key, value]) => {
    if (!Object.hasOwn(checks, key)) return [`unknown option ${quote(key)}${didYouMean(key, Object.keys(checks)) || `; the options are ${Object.keys(checks).join(', ')}`}`];
    return checks[key as keyof PipelineOptions](value, workspaces);
  });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, options: { ...optionDefaults, ...given as Partial<PipelineOptions> } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Check = (value: unknown, workspaces: readonly string[]) => readonly string[];

const checks: { readonly [option in keyof PipelineOptions]: Check } = {
  file(value) {
    // It is shown in every complaint: a name is no place for control characters.
    if (typeof value === 'string' && value !== '' && value.length <= fileCharsMax && !/[\0-\x1f\x7f-\x9f]/.test(value)) return [];
    return [`file must be a name of 1 to ${fileCharsMax} characters, not ${quote(value)}`];
  },
  variables(value) {
    if (!isObject(value)) return [`variables must be an object, not ${quote(value)}`];
    return Object.entries(value).flatMap(([name, held]) => [
      ...(variableName.test(name) ? [] : [`${quote(name)} is not a name for a variable: it must be letters, digits and "_", and not begin with a digit`]),
      ...(typeof held !== 'string' ? [`the variable ${quote(name)} must be a text, not ${quote(held)}`] : held.includes('\0') ? [`the variable ${quote(name)} must not contain a NUL character`] : []),
    ]);
  },
  workspace(value, workspaces) {
    if (value === 'none' || value === 'input') return [];
    if (typeof value !== 'string' || !value.startsWith('/') || value.includes('\0')) return [`workspace must be "none", "input" or an absolute folder, not ${quote(value)}`];
    if (value.split('/').some((part) => part === '.' || part === '..')) return [`workspace ${quote(value)} must be written without "." and ".."`];
    if (workspaces.some((folder) => isWithin(value, folder))) return [];
    return [`workspace ${quote(value)} is not inside of a folder that the operator allows; pipelines.workspaces of the configuration names those that are`];
  },
};

/** By their names alone; links are followed when the run begins. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
