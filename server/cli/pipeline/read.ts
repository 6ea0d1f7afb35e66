// The pipeline file of a command: its text, and what those say who know the language.

import { readFile } from 'node:fs/promises';
import { complain } from '../call/status.ts';
import { hasColour } from '../paint.ts';
import type { Ends, House, ReadPipeline } from '../parts.ts';

/** What is run when no file is named: the first that is there. */
export const usualFiles = ['pipeline.yaml', 'pin.yaml'] as const;

export interface PipelineFile {
  /** As it is named in complaints. */
  readonly file: string;
  readonly text: string;
  readonly read: Extract<ReadPipeline, { readonly ok: true }>;
}

const bytesMax = 1 << 20;

/** `-` is stdin. Undefined when it cannot be read or is not valid, which stderr has been told then, every mistake with its place. */
export async function readPipelineFile(named: string | undefined, variables: Readonly<Record<string, string>>, { house, ends, quiet = false }: { house: House; ends: Ends; quiet?: boolean }): Promise<PipelineFile | undefined> {
  const found = await find(named, ends);
  if ('problem' in found) {
    complain([found.problem], ends);
    return undefined;
  }
  const read = await house.readPipeline(found.text, found.file, variables);
  const told = read.complain(hasColour(ends.stderr, ends.env)).trimEnd();
  if (told !== '' && !(read.ok && quiet)) ends.stderr.write(`${told}\n`);
  return read.ok ? { ...found, read } : undefined;
}

async function find(named: string | undefined, ends: Ends): Promise<{ readonly file: string; readonly text: string } | { readonly problem: string }> {
  if (named !== undefined) return readText(named, ends);
  for (const file of usualFiles) {
    const found = await readText(file, ends);
    if ('text' in found || !found.missing) return found;
  }
  return { problem: `there is neither ${usualFiles.join(' nor ')} here; name a file, or write one with "distillery init"` };
}

async function readText(file: string, { stdin }: Ends): Promise<{ readonly file: string; readonly text: string } | { readonly problem: string; readonly missing: boolean }> {
  try {
    const bytes = file === '-' ? await readAll(stdin) : await readFile(file);
    if (bytes.length > bytesMax) return { problem: `${file} is larger than 1 MiB; is this the right file?`, missing: false };
    return { file: file === '-' ? 'stdin' : file, text: bytes.toString('utf8').replace(/^\uFEFF/, '') };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = { ENOENT: `there is no file "${file}"`, EISDIR: `"${file}" is a folder, not a file`, EACCES: `"${file}" cannot be read: permission denied` };
    return { problem: reasons[code ?? ''] ?? `"${file}" cannot be read: ${message}`, missing: code === 'ENOENT' };
  }
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
}
