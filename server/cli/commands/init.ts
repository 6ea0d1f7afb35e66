// `distillery init`: a small pipeline to begin with.

import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { complain } from '../call/status.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Ends, House } from '../parts.ts';
import { usualFiles } from '../pipeline/read.ts';

interface InitFlags {
  readonly filepath: string;
  readonly force?: true;
}

export function initCommand(_house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('init')
    .summary('write a small pipeline to begin with')
    .description('Write a small pipeline file, to be changed to your needs.')
    .option('-f, --filepath <file>', 'the file', usualFiles[0])
    .option('--force', 'replace the file when it is there')
    .addHelpText('after', '\nExit codes: 0 written, 1 not.\n\nExample:\n  $ distillery init && distillery plan && distillery run')
    .action(async (flags: InitFlags) => exit(await init(flags, ends)));
}

async function init({ filepath, force }: InitFlags, ends: Ends): Promise<number> {
  try {
    await writeFile(filepath, example, { flag: force === true ? 'w' : 'wx' });
    ends.stdout.write(`Created ${filepath}\n`);
    return exitCodes.succeeded;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    complain([code === 'EEXIST' ? `${filepath} already exists; use --force to overwrite` : `${filepath} cannot be written: ${message}`], ends);
    return exitCodes.failed;
  }
}

/** A test runs it. */
export const example = `# "distillery plan" shows what this does, "distillery run" does it.

workflow: [look, count, report]

# Two jobs side by side: each is a container, with a copy of this folder in its working folder.
look:
  image: busybox:latest
  parallel: true
  copyFiles: true
  script:
    - ls
    - echo "that is what is here"

count:
  image: busybox:latest
  parallel: true
  copyFiles: true
  outputs: [FILES]
  script: echo "FILES=$(find . -type f | wc -l)" >> "$DISTILLERY_OUTPUT"

# Waits for both, and knows what the second one found out.
report:
  image: busybox:latest
  condition: $FILES != "0"
  script: echo "there are $FILES files"
`;
