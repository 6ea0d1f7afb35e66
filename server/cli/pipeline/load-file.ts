// Loads and checks the pipeline file of a command.

import { readFile } from 'node:fs/promises';
import { decodeText } from '../../support/decode-text.ts';
import type { CliBackend, PipelineSelection, ReadPipeline, Stdio } from '../backend.ts';
import { printError } from '../call/status.ts';
import { hasColour } from '../colors.ts';

/** Default files. The first that exists is used. */
export const defaultFiles = ['pipeline.yaml', 'pin.yaml'] as const;

export interface PipelineFile {
  /** Name of the file in diagnostics. */
  readonly file: string;
  readonly text: string;
  readonly read: Extract<ReadPipeline, { readonly ok: true }>;
}

const bytesMax = 1 << 20;

/** `-` reads stdin. Returns undefined if the file cannot be read or is not valid; then stderr has every diagnostic. */
export async function readPipelineFile(
  named: string | undefined,
  selection: PipelineSelection,
  { backend, stdio, quiet = false }: { backend: CliBackend; stdio: Stdio; quiet?: boolean },
): Promise<PipelineFile | undefined> {
  const input = await findFile(named, stdio);
  if ('error' in input) {
    printError([input.error], stdio);
    return undefined;
  }
  const read = await backend.readPipeline(input.text, input.file, selection);
  // Do not show how a configuration differs from a pipeline: every line of it does.
  if (!read.ok && input.file !== 'stdin' && (await backend.detectFileKind(input.file)) === 'configuration') {
    printError([configurationText(input.file)], stdio);
    return undefined;
  }
  const diagnostics = read.formatDiagnostics(hasColour(stdio.stderr, stdio.env)).trimEnd();
  if (diagnostics !== '' && !(read.ok && quiet)) stdio.stderr.write(`${diagnostics}\n`);
  return read.ok ? { ...input, read } : undefined;
}

function configurationText(file: string): string {
  return `${file} is a configuration of the gateway, not a pipeline; "distillery validate ${file}" checks it`;
}

async function findFile(
  named: string | undefined,
  stdio: Stdio,
): Promise<{ readonly file: string; readonly text: string } | { readonly error: string }> {
  if (named !== undefined) return readText(named, stdio);
  for (const file of defaultFiles) {
    const input = await readText(file, stdio);
    if ('text' in input || !input.missing) return input;
  }
  const names = defaultFiles.join(' nor ');
  return { error: `found neither ${names} in this folder; name a file, or create one with "distillery init"` };
}

async function readText(
  file: string,
  { stdin }: Stdio,
): Promise<{ readonly file: string; readonly text: string } | { readonly error: string; readonly missing: boolean }> {
  try {
    const bytes = file === '-' ? await readAll(stdin) : await readFile(file);
    if (bytes.length > bytesMax)
      return { error: `${file} is larger than 1 MiB, the limit for pipeline files`, missing: false };
    const shown = file === '-' ? 'stdin' : file;
    const decoded = decodeText(bytes);
    return decoded.ok
      ? { file: shown, text: decoded.text }
      : { error: `${shown}:${decoded.line}:1: ${decoded.message}`, missing: false };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: `file "${file}" does not exist`,
      EISDIR: `"${file}" is a folder, not a file`,
      EACCES: `cannot read "${file}": permission denied`,
    };
    return { error: reasons[code ?? ''] ?? `cannot read "${file}": ${message}`, missing: code === 'ENOENT' };
  }
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
}
