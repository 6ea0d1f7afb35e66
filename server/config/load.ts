// The configuration file, read and checked as a whole: either one frozen configuration, or every mistake with its place.

import { dirname, resolve } from 'node:path';
import type { CheckPipeline } from '../../calls/contract/pipeline-complaint.ts';
import { buildConfig, buildLimits } from './build.ts';
import { checkAll } from './check.ts';
import type { Config } from './config.ts';
import { explain } from './explain.ts';
import type { Finding } from './explain.ts';
import { checkFolders } from './folders.ts';
import { freezeDeeply } from './freeze.ts';
import { loadModules } from './modules.ts';
import { parseYaml } from './parse.ts';
import { checkPipelines } from './pipeline-files.ts';
import { byPosition } from './problem.ts';
import type { Problem } from './problem.ts';
import { readConfigFile } from './read.ts';
import { validateConfig } from './schema.ts';
import { isMapping } from './shape.ts';

export type Loaded =
  | { readonly ok: true; readonly config: Config; /** What is worth a word in the files of pipelines. */ readonly warnings: readonly Problem[] }
  /** At least one, by position; those of the files of pipelines after those of the file itself. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface LoadOptions {
  /** For the files of pipeline calls; absent: what is in them is not looked at. */
  readonly checkPipeline?: CheckPipeline;
}

/** Reads `file`, the pipelines of its calls, and imports the modules it names. Problems name files as they are named here. Never throws for what is in them. */
export async function loadConfig(file: string, { checkPipeline }: LoadOptions = {}): Promise<Loaded> {
  const read = await readConfigFile(file);
  if (!read.ok) return { ok: false, problems: [{ file, line: read.line, column: read.line && 1, path: '', message: read.message, source: '' }] };
  const { source, value, problems } = parseYaml(file, read.text);
  if (value === undefined) return { ok: false, problems: byPosition(problems) };
  const base = dirname(resolve(file));
  const { findings, config } = await check(withoutEmpty(value), base);
  const called = await checkPipelines(withoutEmpty(value), { file, base, checkPipeline });
  const all = [...problems, ...[...findings, ...called.findings].map(({ spot, message }) => source.problem(spot, message))];
  if (all.length + called.problems.length > 0) return { ok: false, problems: [...byPosition(all), ...called.problems] };
  const made = freezeDeeply(config());
  texts.set(made, read.text);
  return { ok: true, config: made, warnings: called.warnings };
}

const texts = new WeakMap<Config, string>();

/** What the file held that `config` was loaded from. */
export function textOf(config: Config): string | undefined {
  return texts.get(config);
}

interface Checked {
  readonly findings: readonly Finding[];
  /** To be called only when nothing was found. */
  config(): Config;
}

async function check(value: unknown, base: string): Promise<Checked> {
  const root = isMapping(value) ? value : {};
  validateConfig(value);
  const shape = explain(validateConfig.errors ?? []);
  const modules = await loadModules(root, base, buildLimits(root).graceMs);
  const meaning = [...checkAll(root), ...await checkFolders(root, base)];
  return { findings: [...withoutConsequences(shape, meaning), ...modules.findings], config: () => buildConfig(root, base, modules.calls) };
}

/** A call whose kind is misspelt is not also told that it has none, nor a text with a refused placeholder that it has the wrong form. */
function withoutConsequences(shape: readonly Finding[], meaning: readonly Finding[]): readonly Finding[] {
  const key = (path: unknown) => JSON.stringify(path);
  const sections = new Set(shape.map(({ spot }) => key(spot.of)));
  const replaced = new Set(meaning.filter(({ spot }) => spot.text !== undefined).map(({ spot }) => key(spot.path)));
  const isCall = ({ spot: { path } }: Finding) => path.length === 2 && path[0] === 'calls';
  return [
    ...shape.filter(({ spot }) => spot.at === 'key' || !replaced.has(key(spot.path))),
    ...meaning.filter((finding) => !(isCall(finding) && sections.has(key(finding.spot.path)))),
  ];
}

/** Sections whose keys are all commented out, and keys in them without a value, are absent. Calls are not: they were meant to be something. */
const sections = ['http', 'home', 'docker', 'retention', 'shutdown', 'limits', 'pipelines', 'secrets', 'doors'];

function withoutEmpty(value: unknown): unknown {
  if (value === null) return {};
  if (!isMapping(value)) return value;
  return pruned(Object.fromEntries(Object.entries(value).map(([key, held]) => [key, sections.includes(key) && isMapping(held) ? pruned(held) : held])));
}

function pruned(section: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(section).filter(([, held]) => held !== null));
}
