// Parses and checks the text of a pipeline: first YAML, then single keys, then rules over several keys.

import { formatSize } from '../../../calls/text/units.ts';
import { toLocation } from '../../yaml/location.ts';
import { readYaml, type YamlDocument } from '../../yaml/read-document.ts';
import { buildValueTree } from '../../yaml/value-tree.ts';
import type { YamlError } from '../../yaml/yaml-error.ts';
import { buildJob } from './build-job.ts';
import type { PipelineDiagnostic } from './diagnostic.ts';
import type { CheckContext } from './field.ts';
import { aliasedValuesMax, textBytesMax } from './limits.ts';
import type { JobRef, Pipeline } from './model.ts';
import { type FileContent, readFile } from './read-file.ts';
import { createRegexpCheck } from './regexp-check.ts';
import { isInvalid, type RangedDiagnostic, toDiagnostics } from './report.ts';
import { fileRules, jobRules } from './rules/all-rules.ts';
import type { FileReadings } from './rules/rule.ts';

export interface ParseOptions {
  /** Whether jobs may run on the gateway's machine. Default: true. */
  readonly hostJobs?: boolean;
}

export interface ParseResult {
  /** Absent when the text is invalid. Present when the only errors are missing permissions. */
  readonly pipeline?: Pipeline;
  /** In the order of the file. At most `diagnosticsMax`, and one more that counts the rest. */
  readonly diagnostics: readonly PipelineDiagnostic[];
}

/** Parses and checks a text. Never throws. Takes time proportional to the length of the text. */
export function parsePipeline(text: string, { hostJobs = true }: ParseOptions = {}): ParseResult {
  const bare = text.replace(/^\uFEFF/, '');
  const tooLarge = Buffer.byteLength(bare) > textBytesMax;
  const yaml = readYaml(tooLarge ? '' : bare);
  const reported: RangedDiagnostic[] = tooLarge
    ? [unreadableText(0, `the text is larger than ${formatSize(textBytesMax)}`)]
    : yaml.errors.map(fromYamlError);
  const failedJobs = new Set<string>();
  const context: CheckContext = {
    text: yaml.text,
    lines: yaml.lines,
    report: (diagnostic) => {
      reported.push(diagnostic);
      if (diagnostic.job !== undefined && isInvalid(diagnostic)) failedJobs.add(diagnostic.job);
    },
    checkRegexp: createRegexpCheck(),
  };
  const file = tooLarge || !yaml.readable ? undefined : readRoot(yaml, context);
  if (file !== undefined) applyRules(file, { context, hostJobs, hasError: (job) => failedJobs.has(job) });
  const diagnostics = toDiagnostics(reported, context);
  return file === undefined || reported.some(isInvalid)
    ? { diagnostics }
    : { pipeline: buildPipeline(file, context), diagnostics };
}

function unreadableText(at: number, detail: string, suggestions: readonly string[] = []): RangedDiagnostic {
  return {
    code: 'INVALID_CONFIG',
    message: `failed to parse YAML configuration: ${detail}`,
    at: { start: at, end: at + 1 },
    suggestions,
  };
}

/** Suggestions by parser code, for values that YAML misreads because they are not quoted. */
const quoteSuggestions: Readonly<Record<string, string>> = {
  TAG_RESOLVE_FAILED: "put a value that begins with '!' in quotes",
  BAD_SCALAR_START: 'put the value in quotes',
  UNEXPECTED_TOKEN: 'put the value in quotes if it is one string',
  MISSING_CHAR: "put the value in quotes if it contains ': ' or ends in ':'",
  BLOCK_AS_IMPLICIT_KEY: "put the value in quotes if it contains ': '",
};

function fromYamlError({ kind, code = '', offset, message }: YamlError): RangedDiagnostic {
  const suggestion = kind === 'alias' ? "put a string that begins with '*' in quotes" : quoteSuggestions[code];
  return unreadableText(offset, message, suggestion === undefined ? [] : [suggestion]);
}

function readRoot(yaml: YamlDocument, context: CheckContext): FileContent | undefined {
  const { root, repeated } = buildValueTree(yaml, { repeatedMax: aliasedValuesMax });
  if (repeated > aliasedValuesMax)
    return reportUnreadable(
      context,
      yaml.aliases.last?.range?.[0] ?? 0,
      `aliases repeat ${repeated} values, more than the ${aliasedValuesMax} allowed; write them out, or use fewer`,
    );
  if (root.is === 'mapping') return readFile(root, context);
  // An empty file is a pipeline without a workflow.
  if (root.is === 'null') return readFile({ is: 'mapping', entries: [], start: 0, end: 0 }, context);
  return reportUnreadable(context, root.start, `the file must be a mapping (key: value), found ${root.is}`);
}

function reportUnreadable(context: CheckContext, at: number, detail: string): undefined {
  context.report(unreadableText(at, detail));
}

function applyRules(file: FileContent, rest: Pick<FileReadings, 'context' | 'hostJobs' | 'hasError'>): void {
  const facts = { ...file, ...rest };
  for (const job of file.jobs) for (const rule of jobRules) rule(job, facts);
  for (const rule of fileRules) rule(facts);
}

function buildPipeline({ settings, names, jobs, workflow }: FileContent, context: CheckContext): Pipeline {
  const { docker: { host } = {}, logsWithTime = false, failFast = true, name } = settings;
  return {
    logsWithTime,
    ...(name !== undefined && { name }),
    failFast,
    ...(host !== undefined && { dockerHost: host }),
    ...(workflow !== undefined && {
      workflow: workflow.map(
        ({ text, at }): JobRef => ({ name: names.get(text.toLowerCase())!.name, location: toLocation(at, context) }),
      ),
    }),
    jobs: jobs.map((job) => buildJob(job, names)),
  };
}
