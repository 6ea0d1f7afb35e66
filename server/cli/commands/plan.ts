// `distillery plan FILE`: what a pipeline would do, in which order. Nothing is started, and no gateway is needed.

import { Command } from 'commander';
import { printable } from '../call/words.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Ends, House, PipelinePlan, PlannedStep } from '../parts.ts';
import { readPipelineFile, usualFiles } from '../pipeline/read.ts';
import { variableOption, type Variables } from './variables.ts';

interface PlanFlags {
  readonly filepath?: string;
  readonly var: Variables;
  readonly json?: true;
}

const after = `
Jobs of one stage wait for jobs of stages before it. Conditions are shown with what they come to for the variables given; those of the gateway's environment, and what
jobs hand on, are not known here and count as empty.

Exit codes: 0 told; 2 the file is not there or not valid, and stderr has every mistake with its place.

Examples:
  $ distillery plan ${usualFiles[0]}
  $ distillery plan release.yaml --var BRANCH=main --json | jq -r '.jobs[].id'`;

export function planCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('plan')
    .summary('print what a pipeline would do')
    .description('Print the jobs of a pipeline in the order in which they would run. Nothing is started, and no gateway is needed.')
    .argument('[file]', 'the pipeline file')
    .option('-f, --filepath <file>', 'the pipeline file, for those who are used to this')
    .addOption(variableOption())
    .option('--json', 'as JSON')
    .addHelpText('after', after)
    .action(async (file: string | undefined, flags: PlanFlags) => exit(await plan(file ?? flags.filepath, flags, { house, ends })));
}

async function plan(named: string | undefined, flags: PlanFlags, { house, ends }: { house: House; ends: Ends }): Promise<number> {
  const pipeline = await readPipelineFile(named, flags.var, { house, ends });
  if (pipeline === undefined) return exitCodes.usage;
  const { plan: planned } = pipeline.read;
  ends.stdout.write(flags.json === true ? `${JSON.stringify(planned, undefined, 2)}\n` : describePlan(planned));
  return exitCodes.succeeded;
}

/** A heading for each stage, a line for each job, and under it what there is to say of it. */
function describePlan({ jobs, stages }: PipelinePlan): string {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  return stages.map((ids, at) => [`stage ${at + 1}`, ...ids.flatMap((id) => describeJob(byId.get(id)!))].join('\n')).join('\n').concat('\n');
}

const afterShown = 8;

function describeJob(job: PlannedStep): readonly string[] {
  const notes = [
    ...(job.after.length === 0 ? [] : [`after ${job.after.slice(0, afterShown).join(', ')}${job.after.length > afterShown ? ` and ${job.after.length - afterShown} more` : ''}`]),
    ...(job.condition === undefined ? [] : [`if ${job.condition.text} (${job.condition.holds ? 'true' : 'false'} for these variables)`]),
    ...(job.when === undefined ? [] : [job.when === 'always' ? 'also when something failed' : 'only when something failed']),
    ...(job.services === undefined ? [] : [`beside it: ${job.services.join(', ')}`]),
    ...(job.attempts === undefined ? [] : [`up to ${job.attempts} attempts`]),
    ...(job.timeoutMs === undefined ? [] : [`at most ${job.timeoutMs / 1_000} s each`]),
    ...(job.allowFailure === true ? ['may fail'] : []),
  ];
  return [`  ${printable(job.id)}  (${printable(baseText(job.base))})`, ...notes.map((note) => `      ${printable(note)}`)];
}

function baseText(base: PlannedStep['base']): string {
  if ('image' in base) return base.image;
  return 'dockerfile' in base ? `built from ${base.dockerfile}` : 'on the host';
}
