// `distillery validate FILE`: is this configuration, or this pipeline, good, and if not, everything that is wrong with it.

import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { hasColour } from '../paint.ts';
import type { Ends, House } from '../parts.ts';
import { readPipelineFile } from '../pipeline/read.ts';

interface ValidateFlags {
  readonly pipeline?: true;
}

const after = `
What kind of file it is, its keys tell: those of distillery.yaml, or jobs. The pipelines that a configuration names are checked with it.

Exit codes: 0 valid, 2 not valid.

Examples:
  $ distillery validate distillery.yaml
  $ distillery validate pipelines/release.yaml`;

export function validateCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('validate')
    .summary('check a configuration or pipeline file')
    .description('Check a configuration or pipeline file and print every problem in it, with line and column. Nothing is started.')
    .argument('<file>', 'the file, such as distillery.yaml')
    .option('--pipeline', 'it is a pipeline, whatever its keys look like')
    .addHelpText('after', after)
    .action(async (file: string, flags: ValidateFlags) => exit(await validate(file, flags, { house, ends })));
}

interface ValidateParts {
  readonly house: House;
  readonly ends: Ends;
}

async function validate(file: string, { pipeline }: ValidateFlags, parts: ValidateParts): Promise<number> {
  if (pipeline === true || await parts.house.kindOfFile(file) === 'pipeline') return validatePipeline(file, parts);
  const { house, ends } = parts;
  const loaded = await house.loadConfig(file);
  const told = loaded.complain(hasColour(ends.stderr, ends.env)).trimEnd();
  if (told !== '') ends.stderr.write(`${told}\n`);
  if (!loaded.ok) return exitCodes.usage;
  const { calls, systems, http } = loaded.config;
  const api = http.api ? `API on at ${http.host}:${http.port}` : 'API off';
  ends.stdout.write(`${file}: valid (${count(calls.length, 'call')}, ${count(systems.length, 'system')}, ${api})\n`);
  return exitCodes.succeeded;
}

async function validatePipeline(file: string, parts: ValidateParts): Promise<number> {
  const pipeline = await readPipelineFile(file, {}, parts);
  if (pipeline === undefined) return exitCodes.usage;
  const { jobs, stages } = pipeline.read.plan;
  parts.ends.stdout.write(`${pipeline.file}: valid (${count(jobs.length, 'job')}, ${count(stages.length, 'stage')})\n`);
  return exitCodes.succeeded;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
