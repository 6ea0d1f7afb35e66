// `distillery init`: writes a small example pipeline, or a configuration.

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { systemErrorText } from '../../support/system-error.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { printError } from '../call/status.ts';
import { exitCodes } from '../exit-codes.ts';
import { defaultFiles } from '../pipeline/load-file.ts';
import { ignoreFile } from '../pipeline/upload-folder.ts';
import { exampleConfig } from './example-config.ts';

/** The file that `distillery serve` reads by default. */
const configFile = 'distillery.yaml';

interface InitFlags {
  readonly filepath?: string;
  readonly config?: true;
  readonly force?: true;
}

const helpFooter = `
Exit codes: 0 file written, 1 not written.

Examples:
  $ distillery init && distillery plan && distillery run
  $ distillery init --config && distillery serve`;

export function initCommand(_backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('init')
    .summary('write an example pipeline or configuration')
    .description('Writes a small pipeline file as a starting point, or with --config a configuration of the gateway.')
    .option('--config', 'write a configuration')
    .option('-f, --filepath <file>', `the file to write; default: ${defaultFiles[0]}, with --config ${configFile}`)
    .option('--force', 'overwrite an existing file')
    .addHelpText('after', helpFooter)
    .action(async (flags: InitFlags) => exit(await init(flags, stdio)));
}

async function init({ config, filepath: named, force }: InitFlags, stdio: Stdio): Promise<number> {
  const [filepath, text] = config === true ? [named ?? configFile, exampleConfig] : [named ?? defaultFiles[0], example];
  try {
    await writeFile(filepath, text, { flag: force === true ? 'w' : 'wx' });
    stdio.stdout.write(`Created ${filepath}\n`);
    if (config !== true) await writeIgnoreFile(join(dirname(filepath), ignoreFile), stdio);
    return exitCodes.succeeded;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    printError(
      [
        code === 'EEXIST'
          ? `${filepath} already exists; use --force to overwrite`
          : `cannot write ${filepath}: ${systemErrorText(error)}`,
      ],
      stdio,
    );
    return exitCodes.failed;
  }
}

/** Writes the ignore file unless it exists. */
async function writeIgnoreFile(path: string, { stdout }: Stdio): Promise<void> {
  try {
    await writeFile(path, exampleIgnoreFile, { flag: 'wx' });
    stdout.write(`Created ${path}\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const exampleIgnoreFile = `# What "distillery run" does not send, in the syntax of .gitignore.
.git/
node_modules/
.env
.env.*
`;

/** Text of the example pipeline. A test runs it. */
const example = `# "distillery plan" prints what this pipeline would do; "distillery run" runs it.

workflow: [list, count, report]

# Two jobs run in parallel. Each runs in its own container, with a copy of this folder as working folder.
list:
  image: busybox:latest
  parallel: true
  copyFiles: true
  script:
    - ls
    - echo "these are the files"

count:
  image: busybox:latest
  parallel: true
  copyFiles: true
  outputs: [FILES]
  script: echo "FILES=$(find . -type f | wc -l)" >> "$DISTILLERY_OUTPUT"

# This job waits for both, and reads the output FILES of the second one.
report:
  image: busybox:latest
  condition: $FILES != "0"
  script: echo "there are $FILES files"
`;
