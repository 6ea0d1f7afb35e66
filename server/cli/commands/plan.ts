// `distillery plan FILE`: prints the jobs of a pipeline in their order, without a gateway.

import { Command } from 'commander';
import type { CliBackend, PipelinePlanView, PlannedJobView, Stdio } from '../backend.ts';
import { printable } from '../call/format.ts';
import { exitCodes } from '../exit-codes.ts';
import { defaultFiles, readPipelineFile } from '../pipeline/load-file.ts';
import { jobOption, type Variables, variableOption } from './var-option.ts';

interface PlanFlags {
  readonly filepath?: string;
  readonly var: Variables;
  readonly job: readonly string[];
  readonly json?: true;
}

const helpFooter = `
The jobs of a stage depend on jobs of earlier stages. The command prints the value of each condition
for the given variables. Variables of the gateway's environment and outputs of jobs are not known
here and count as empty.

Exit codes: 0 plan printed; 2 the file does not exist or is not valid, and stderr has every
diagnostic.

Examples:
  $ distillery plan ${defaultFiles[0]}
  $ distillery plan release.yaml --var BRANCH=main --json | jq -r '.jobs[].id'`;

export function planCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('plan')
    .summary('print what a pipeline would do')
    .description(
      'Prints the jobs of a pipeline in the order in which they would run. Starts nothing and needs no gateway.',
    )
    .argument('[file]', 'the pipeline file')
    .option('-f, --filepath <file>', 'alias of [file]')
    .addOption(jobOption())
    .addOption(variableOption())
    .option('--json', 'print JSON')
    .addHelpText('after', helpFooter)
    .action(async (file: string | undefined, flags: PlanFlags) =>
      exit(await plan(file ?? flags.filepath, flags, { backend, stdio })),
    );
}

async function plan(
  named: string | undefined,
  flags: PlanFlags,
  { backend, stdio }: { backend: CliBackend; stdio: Stdio },
): Promise<number> {
  const pipeline = await readPipelineFile(named, flags, { backend, stdio });
  if (pipeline === undefined) return exitCodes.usage;
  const { plan: planned } = pipeline.read;
  stdio.stdout.write(flags.json === true ? `${JSON.stringify(planned, undefined, 2)}\n` : describePlan(planned));
  return exitCodes.succeeded;
}

/** Prints a heading per stage, a line per job, and the job's properties below it. */
function describePlan({ jobs, stages }: PipelinePlanView): string {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  return stages
    .map((ids, at) => [`stage ${at + 1}`, ...ids.flatMap((id) => describeJob(byId.get(id)!))].join('\n'))
    .join('\n')
    .concat('\n');
}

const dependenciesShownMax = 8;

function describeJob(job: PlannedJobView): readonly string[] {
  const notes = [
    ...(job.after.length === 0 ? [] : [describeDependencies(job.after)]),
    ...(job.condition === undefined
      ? []
      : [`if ${job.condition.text} (${job.condition.holds ? 'true' : 'false'} for these variables)`]),
    ...(job.when === undefined ? [] : [job.when === 'always' ? 'also after a failure' : 'only after a failure']),
    ...(job.services === undefined ? [] : [`services: ${job.services.join(', ')}`]),
    ...(job.attempts === undefined ? [] : [`up to ${job.attempts} attempts`]),
    ...(job.timeoutMs === undefined ? [] : [`timeout ${job.timeoutMs / 1_000} s per attempt`]),
    ...(job.allowFailure === true ? ['failure allowed'] : []),
  ];
  return [
    `  ${printable(job.id)}  (${printable(describeBase(job.base))})`,
    ...notes.map((note) => `      ${printable(note)}`),
  ];
}

function describeDependencies(ids: readonly string[]): string {
  const more = ids.length - dependenciesShownMax;
  return `after ${ids.slice(0, dependenciesShownMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function describeBase(base: PlannedJobView['base']): string {
  if ('image' in base) return base.image;
  return 'dockerfile' in base ? `built from ${base.dockerfile}` : 'on the host';
}
