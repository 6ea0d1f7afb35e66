// Where the command line is introduced to what it commands.

import { readFileSync } from 'node:fs';
import { runProgram } from './cli/program.ts';
import type { House } from './cli/parts.ts';
import { checkListen } from './config/listen.ts';

/** Runs the command given by `argv` (without node and script). Resolves with the exit code when stdout and stderr have taken everything. */
export async function main(argv: readonly string[]): Promise<number> {
  const exitCode = await runProgram(argv, house, process);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  return exitCode;
}

/** The gateway and its configuration are loaded when they are asked for: a call, which needs neither, starts twice as fast. */
const house: House = {
  version: version(),
  async loadConfig(file, options) {
    const { loadConfig } = await import('./config/load.ts');
    const { formatProblems } = await import('./config/format.ts');
    const loaded = await loadConfig(file, options?.withoutPipelines === true ? {} : { checkPipeline: (await import('./pipeline/engine.ts')).checkPipeline });
    if (!loaded.ok) return { ok: false, complain: (colour) => formatProblems(loaded.problems, { colour }) };
    const warnings = loaded.warnings.map((warning) => ({ ...warning, message: `warning: ${warning.message}` }));
    return { ok: true, config: loaded.config, complain: (colour) => formatProblems(warnings, { colour }) };
  },
  async readPipeline(text, file, variables) {
    const { readPipelineText } = await import('./pipelines.ts');
    return readPipelineText(text, file, variables);
  },
  async kindOfFile(file) {
    const { kindOfFile } = await import('./config/kind-of-file.ts');
    return kindOfFile(file);
  },
  checkListen,
  async startGateway(options) {
    const { startServing } = await import('./serving.ts');
    return startServing(options, version());
  },
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
