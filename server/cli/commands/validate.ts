// `distillery validate [FILE]`: checks a configuration or a pipeline and prints every diagnostic.

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { CliBackend, Stdio } from '../backend.ts';
import { hasColour } from '../colors.ts';
import { exitCodes } from '../exit-codes.ts';
import { defaultFiles, readPipelineFile } from '../pipeline/load-file.ts';

interface ValidateFlags {
  readonly filepath?: string;
  readonly pipeline?: true;
}

/** Checked by default in a folder without a pipeline. */
const configFile = 'distillery.yaml';

const helpFooter = `
FILE defaults to ${defaultFiles.join(', else ')}, else ${configFile}; "-" is a pipeline on stdin.
The keys of the file decide whether it is a configuration or a pipeline. With a configuration, the
command also checks the pipeline files of its calls, and warns about programs, folders and
secrets that this machine does not have.

Exit codes: 0 valid, 2 not valid.

Examples:
  $ distillery validate
  $ distillery validate distillery.yaml
  $ distillery validate pipelines/release.yaml`;

export function validateCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('validate')
    .summary('check a configuration or pipeline file')
    .description(
      'Checks a configuration or pipeline file and prints every diagnostic with line and column. Starts nothing.',
    )
    .argument('[file]', 'the file, such as distillery.yaml')
    .option('-f, --filepath <file>', 'alias of [file]')
    .option('--pipeline', 'treat the file as a pipeline, regardless of its keys')
    .addHelpText('after', helpFooter)
    .action(async (file: string | undefined, flags: ValidateFlags) =>
      exit(await validate(file ?? flags.filepath, flags, { backend, stdio })),
    );
}

interface ValidateDeps {
  readonly backend: CliBackend;
  readonly stdio: Stdio;
}

async function validate(named: string | undefined, { pipeline }: ValidateFlags, deps: ValidateDeps): Promise<number> {
  const file =
    named ?? (existsSync(configFile) && !defaultFiles.some((name) => existsSync(name)) ? configFile : undefined);
  if (file === undefined || pipeline === true || file === '-') return validatePipeline(file, deps);
  if ((await deps.backend.detectFileKind(file)) === 'pipeline') return validatePipeline(file, deps);
  const { backend, stdio } = deps;
  const loaded = await backend.loadConfig(file, { needsEngine: true });
  const diagnostics = loaded.formatDiagnostics(hasColour(stdio.stderr, stdio.env)).trimEnd();
  if (diagnostics !== '') stdio.stderr.write(`${diagnostics}\n`);
  if (!loaded.ok) return exitCodes.usage;
  const { calls, systems, http } = loaded.config;
  const api = http.api ? `API on at ${http.host}:${http.port}` : 'API off';
  stdio.stdout.write(`${file}: valid (${count(calls.length, 'call')}, ${count(systems.length, 'system')}, ${api})\n`);
  return exitCodes.succeeded;
}

async function validatePipeline(file: string | undefined, deps: ValidateDeps): Promise<number> {
  const pipeline = await readPipelineFile(file, {}, deps);
  if (pipeline === undefined) return exitCodes.usage;
  const { jobs, stages } = pipeline.read.plan;
  deps.stdio.stdout.write(`${pipeline.file}: valid (${count(jobs.length, 'job')}, ${count(stages.length, 'stage')})\n`);
  return exitCodes.succeeded;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
