// Loads and checks the configuration file. Returns one frozen configuration, or every diagnostic with its location.

import { dirname, resolve } from 'node:path';
import type { PlanPipeline } from '../../../calls/contract/engines.ts';
import { byPosition, type FileDiagnostic, type KeyDiagnostic } from '../../../calls/text/diagnostic.ts';
import { buildConfig, buildLimits } from '../build-config.ts';
import { checkNewsFolder } from '../check-news-folder.ts';
import type { Config } from '../config.ts';
import { deepFreeze } from '../freeze.ts';
import { isMapping } from '../loose-access.ts';
import { checkConfig } from '../schema/check-config.ts';
import { validateConfig } from '../schema/schema.ts';
import { explainSchemaErrors } from '../schema/schema-errors.ts';
import { dropNulls } from './drop-nulls.ts';
import { loadModules } from './modules.ts';
import { parseYaml } from './parse.ts';
import { checkPipelineFiles } from './pipeline-files.ts';
import { readConfigFile, type UnreadableFile } from './read-file.ts';

export type LoadResult =
  /** `warnings` are those of the pipeline files and those that `checkMachine` returns. */
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly FileDiagnostic[] }
  /** At least one diagnostic, sorted by position. Diagnostics of pipeline files follow those of the configuration. */
  | { readonly ok: false; readonly diagnostics: readonly FileDiagnostic[] };

export interface LoadOptions {
  /** Checks the files of pipeline calls. Absent: the loader checks only that these files can be read. */
  readonly planPipeline?: PlanPipeline;
  /**
   * Returns a warning for everything that the configuration needs and the machine does not have. Absent: the loader
   * does not check the machine.
   */
  readonly checkMachine?: (config: Config) => Promise<readonly KeyDiagnostic[]>;
  /** The file was loaded before, so it is an error if it is not a regular file: a pipe has its content only once. */
  readonly again?: boolean;
}

/**
 * Reads `file` and the pipelines of its calls, and imports the modules it names. Diagnostics name files relative to
 * `file` as given here. Never throws because of file contents.
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<LoadResult> {
  const { planPipeline, checkMachine, again = false } = options;
  const read = await readConfigFile(file, { pipes: !again });
  if (!read.ok) return { ok: false, diagnostics: [unreadableFile(file, read)] };
  const { source, value, diagnostics } = parseYaml(file, read.text);
  if (value === undefined) return { ok: false, diagnostics: byPosition(diagnostics) };
  const base = dirname(resolve(file));
  const present = dropNulls(value);
  const { keyDiagnostics, config } = await validate(present, base);
  const pipelines = await checkPipelineFiles(present, { file, base, planPipeline });
  const all = [...diagnostics, ...[...keyDiagnostics, ...pipelines.keyDiagnostics].map(source.locate)];
  if (all.length + pipelines.errors.length > 0)
    return { ok: false, diagnostics: [...byPosition(all), ...pipelines.errors] };
  const built = deepFreeze(config());
  texts.set(built, read.text);
  if (!read.regular) fromPipes.add(built);
  const missing = ((await checkMachine?.(built)) ?? []).map(
    (warning): FileDiagnostic => ({ ...source.locate(warning), severity: 'warning' }),
  );
  return { ok: true, config: built, warnings: [...byPosition(missing), ...pipelines.warnings] };
}

function unreadableFile(file: string, { message, line, missing }: UnreadableFile): FileDiagnostic {
  const location = { line, column: Math.min(line, 1), length: Math.min(line, 1) };
  return { severity: 'error', file, ...location, message, suggestions: missing === true ? [initHint] : [], source: '' };
}

/** Returns the configuration of a folder that has no configuration file. */
export function defaultConfig(folder: string): Config {
  return deepFreeze(buildConfig({}, resolve(folder), []));
}

const initHint = '"distillery init --config" writes a configuration to start with';

const texts = new WeakMap<Config, string>();

/** Returns the text that `config` was loaded from. */
export function loadedText(config: Config): string | undefined {
  return texts.get(config);
}

const fromPipes = new WeakSet<Config>();

/** False if `config` was loaded from a pipe or a device. */
export function isFromRegularFile(config: Config): boolean {
  return !fromPipes.has(config);
}

interface ValidationResult {
  readonly keyDiagnostics: readonly KeyDiagnostic[];
  /** Builds the configuration. Call this only when there are no diagnostics. */
  config(): Config;
}

async function validate(value: unknown, base: string): Promise<ValidationResult> {
  const root = isMapping(value) ? value : {};
  validateConfig(value);
  const schemaErrors = explainSchemaErrors(validateConfig.errors ?? []);
  const modules = await loadModules(root, base, buildLimits(root).graceMs);
  const checkErrors = [...checkConfig(root), ...(await checkNewsFolder(root, base))];
  return {
    keyDiagnostics: [...dropFollowUpErrors(schemaErrors, checkErrors), ...modules.diagnostics],
    config: () => buildConfig(root, base, modules.calls),
  };
}

/**
 * Drops errors that follow from another one. A call with a misspelled kind is not also reported as having no kind. A
 * string with a rejected placeholder is not also reported for its form.
 */
function dropFollowUpErrors(
  schemaErrors: readonly KeyDiagnostic[],
  checkErrors: readonly KeyDiagnostic[],
): readonly KeyDiagnostic[] {
  const key = (path: unknown) => JSON.stringify(path);
  const sections = new Set(schemaErrors.map(({ section }) => key(section)));
  const explained = new Set(checkErrors.filter(({ text }) => text !== undefined).map(({ path }) => key(path)));
  const isCall = ({ path }: KeyDiagnostic) => path.length === 2 && path[0] === 'calls';
  return [
    ...schemaErrors.filter(({ at, path }) => at === 'key' || !explained.has(key(path))),
    ...checkErrors.filter((error) => !(isCall(error) && sections.has(key(error.path)))),
  ];
}
