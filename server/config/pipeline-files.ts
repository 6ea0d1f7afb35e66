// The files that pipeline calls name: looked at with the configuration, so that a mistake in one is told before anybody makes the call.

import { dirname, isAbsolute, join, resolve } from 'node:path';
import { kindOf } from '../../calls/contract/check-declaration.ts';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import { complaintPath, complaintText, type CheckPipeline, type PipelineComplaint } from '../../calls/contract/pipeline-complaint.ts';
import { quote } from '../../calls/contract/quote.ts';
import { kinds } from '../../calls/catalogue.ts';
import { pipelineDeclaration } from '../../calls/pipeline.ts';
import type { Finding } from './explain.ts';
import { allowanceOf, buildPipelines, buildSecrets } from './pipelines.ts';
import type { Problem } from './problem.ts';
import { readConfigFile } from './read.ts';
import { isMapping, mapping } from './shape.ts';

export interface PipelinesFound {
  /** In the configuration itself: a file that cannot be read. */
  readonly findings: readonly Finding[];
  /** In the files, by file and position. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export interface PipelinesOf {
  /** The configuration, as it is named in problems. */
  readonly file: string;
  readonly base: string;
  readonly checkPipeline: CheckPipeline | undefined;
}

/** Passes over calls of the wrong shape. A file that several calls name is told of once, for each mistake that is one in any of them. */
export async function checkPipelines(value: unknown, at: PipelinesOf): Promise<PipelinesFound> {
  const root = isMapping(value) ? value : {};
  const looks = await Promise.all(pipelineCalls(root).map((call) => lookAt(root, call, at)));
  const told = distinct(looks.flatMap(({ complaints }) => complaints));
  return {
    findings: looks.flatMap(({ findings }) => findings),
    problems: told.filter(({ severity }) => severity === 'error').map(({ problem }) => problem),
    warnings: told.filter(({ severity }) => severity === 'warning').map(({ problem }) => problem),
  };
}

interface PipelineCall {
  readonly name: string;
  readonly pipeline: string;
  /** Where the file is named. */
  readonly path: readonly string[];
}

function pipelineCalls(root: Readonly<Record<string, unknown>>): readonly PipelineCall[] {
  return Object.entries(mapping(root['calls'])).flatMap(([name, declared]) => {
    if (kindOf(mapping(declared), kinds)?.name !== 'pipeline') return [];
    const { pipeline } = mapping(declared);
    const file = pipelineDeclaration(pipeline)?.file;
    // An empty path, or one with placeholders, is told of elsewhere.
    if (file === undefined || file === '' || /\0|\$\{/.test(file)) return [];
    return [{ name, pipeline: file, path: ['calls', name, 'pipeline', ...(typeof pipeline === 'string' ? [] : ['file'])] }];
  });
}

interface Told {
  readonly severity: PipelineComplaint['severity'];
  readonly problem: Problem;
}

async function lookAt(root: Readonly<Record<string, unknown>>, { name, pipeline, path }: PipelineCall, { file, base, checkPipeline }: PipelinesOf): Promise<{ findings: readonly Finding[]; complaints: readonly Told[] }> {
  const read = await readConfigFile(resolve(base, pipeline));
  if (!read.ok) {
    const message = read.missing === true ? `there is no file ${quote(pipeline)} beside the configuration` : `${quote(pipeline)} ${read.message}`;
    return { findings: [{ spot: { path }, message }], complaints: [] };
  }
  const shown = isAbsolute(pipeline) ? pipeline : join(dirname(file), pipeline);
  const lines = read.text.split(/\r\n|\r|\n/);
  const complaints = checkPipeline?.(read.text, allowance(root, name, base)) ?? [];
  return { findings: [], complaints: complaints.map((one) => ({ severity: one.severity, problem: problemOf(one, shown, lines) })) };
}

/** As far as the sections have the right shape. */
function allowance(root: Readonly<Record<string, unknown>>, name: string, base: string): PipelineAllowance {
  return allowanceOf(name, { pipelines: buildPipelines(root['pipelines'], base), secrets: buildSecrets(root['secrets'], base) }, { declared: true });
}

function problemOf(complaint: PipelineComplaint, file: string, lines: readonly string[]): Problem {
  const { line, column } = complaint;
  return { file, line, column, path: complaintPath(complaint), message: complaintText(complaint), source: lines[line - 1] ?? '' };
}

/** The same complaint once, by file and position. */
function distinct(told: readonly Told[]): readonly Told[] {
  const once = [...new Map(told.map((one) => [JSON.stringify(one), one])).values()];
  const files = [...new Set(once.map(({ problem }) => problem.file))];
  return once.sort((a, b) => files.indexOf(a.problem.file) - files.indexOf(b.problem.file)
    || a.problem.line - b.problem.line || a.problem.column - b.problem.column);
}
