// Where the command line, the configuration and the gateway are introduced to each other.

import { readFileSync } from 'node:fs';
import { runProgram } from './cli/program.ts';
import type { House } from './cli/parts.ts';

/** Runs the command given by `argv` (without node and script). Resolves with the exit code when stdout and stderr have taken everything. */
export async function main(argv: readonly string[]): Promise<number> {
  const exitCode = await runProgram(argv, house, process);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  return exitCode;
}

const house: House = {
  version: version(),
  async loadConfig() { return { ok: false, complain: () => 'no configuration yet' }; },
  listenOn: (config) => ({ config }),
  async startGateway() { throw new Error('no gateway yet'); },
};

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // A reader that is gone is not waited for, and is no error any more.
    stream.on('error', () => resolve());
    stream.write('', () => resolve());
  });
}
