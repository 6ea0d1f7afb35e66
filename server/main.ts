// Connects the command line to the server.

import { readFileSync } from 'node:fs';
import type { CliBackend } from './cli/backend.ts';
import { runProgram } from './cli/program.ts';
import { checkListen } from './config/schema/listen.ts';

/**
 * Runs the command given by `argv` (without node and script). Resolves with the exit code when stdout and stderr are
 * flushed.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const exitCode = await runProgram(argv, backend, process);
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  return exitCode;
}

/** Loads the gateway and the configuration on demand, so that `distillery call`, which needs neither, starts fast. */
const backend: CliBackend = {
  version: readVersion(),
  async loadConfig(file, { needsEngine = false } = {}) {
    const { loadConfig } = await import('./config/load/load.ts');
    const { formatDiagnostics } = await import('../calls/text/format-diagnostics.ts');
    const { planText } = await import('./pipeline/engine.ts');
    const { checkEngine, checkMachine } = await import('./check-machine.ts');
    const loaded = await loadConfig(file, {
      planPipeline: planText,
      checkMachine: async (config) => [
        ...(await checkMachine(config)),
        ...(needsEngine ? await checkEngine(config) : []),
      ],
    });
    const diagnostics = loaded.ok ? loaded.warnings : loaded.diagnostics;
    const format = (colour: boolean): string => formatDiagnostics(diagnostics, { colour });
    return loaded.ok
      ? { ok: true, config: loaded.config, formatDiagnostics: format }
      : { ok: false, formatDiagnostics: format };
  },
  async readListen(file) {
    const { readListen } = await import('./config/load/read-listen.ts');
    return readListen(file);
  },
  async readPipeline(text, file, selection) {
    const { readPipelineText } = await import('./read-pipeline.ts');
    return readPipelineText(text, file, selection);
  },
  async detectFileKind(file) {
    const { detectFileKind } = await import('./config/load/detect-file-kind.ts');
    return detectFileKind(file);
  },
  checkListen,
  async startGateway(options) {
    const { serveGateway } = await import('./serve.ts');
    return serveGateway(options, readVersion());
  },
  async startPrivateGateway(config) {
    const { startPrivateGateway } = await import('./private-gateway.ts');
    return startPrivateGateway(config, readVersion());
  },
};

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // After the reader has closed the pipe, there is nothing to flush.
    stream.on('error', () => resolve());
    stream.write('', () => resolve());
  });
}
