// From the text of a pipeline to its run: checked before anything is started, and both ways told in the journal.

import { isUtf8 } from 'node:buffer';
import { rm } from 'node:fs/promises';
import { fileOf, type WorkspaceChoice } from './call.ts';
import type { Journal } from './events/journal.ts';
import type { PinError, PinParts } from './parts.ts';
import { PinRefusal } from './refusal.ts';
import type { Accepted, PinRuns } from './runs/runs.ts';
import { failed, triggered, type Origin } from './runs/told.ts';

export interface Brought {
  readonly text: Buffer;
  readonly origin: Origin;
  readonly variables?: Readonly<Record<string, string>>;
  /** A tar archive, the pipeline's own from now on. */
  readonly upload?: string;
}

export interface Taken extends Accepted {
  /** What is worth a word in the text. */
  readonly warnings: readonly PinError[];
}

export interface PipelinesParts extends Pick<PinParts, 'options' | 'check'> {
  readonly journal: Journal;
  readonly runs: PinRuns;
}

export class Pipelines {
  readonly #parts: PipelinesParts;

  constructor(parts: PipelinesParts) {
    this.#parts = parts;
  }

  /** Throws a PinRefusal when the text is not a pipeline, or there is no room for it; then there is no run, and the upload is removed. */
  async take(brought: Brought): Promise<Taken> {
    const { origin, upload, variables = {} } = brought;
    const { text, warnings } = await this.#checked(brought);
    const workspace: WorkspaceChoice = upload !== undefined ? 'input' : this.#parts.options.workspace !== undefined ? 'folder' : 'none';
    const accepted = await this.#parts.runs.start({ text, variables, source: origin.source, workspace, origin, ...(upload !== undefined && { upload }) });
    return { ...accepted, warnings };
  }

  /** To those who listen, when it was for the trigger itself (400): a fault of ours, and what is no fault of the text, are told in the answer alone. */
  tellRefused(origin: Origin, why: unknown): void {
    if (!(why instanceof PinRefusal) || why.status !== 400) return;
    const { code, message } = why;
    const error = code === 'validation_failed' ? message.replace(/^P/, 'p') : message;
    for (const said of [triggered(origin), failed(origin, error)]) this.#parts.journal.append(said);
  }

  async #checked({ text, origin, upload }: Brought): Promise<{ readonly text: string; readonly warnings: readonly PinError[] }> {
    try {
      const read = decode(text);
      return { text: read, warnings: this.#check(read, origin) };
    } catch (error) {
      if (upload !== undefined) await rm(upload, { force: true });
      this.tellRefused(origin, error);
      throw error;
    }
  }

  #check(text: string, { source }: Origin): readonly PinError[] {
    const found = this.#parts.check(text, fileOf(source, this.#parts.options));
    const errors = found.filter(({ severity }) => severity === 'error');
    const [first] = errors;
    if (first === undefined) return found;
    const { message, job, field, line, column } = first;
    const details = { ...(job !== undefined && { job }), ...(field !== undefined && { field }), line, column };
    throw first.code === 'INVALID_CONFIG' ? new PinRefusal('invalid_yaml', message, { details, errors })
      : new PinRefusal('validation_failed', `Pipeline validation failed: ${message}`, { details, errors });
  }
}

/** Throws a PinRefusal for what is no text, or has nothing in it. */
function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new PinRefusal('invalid_yaml', 'failed to parse YAML configuration: it is not UTF-8 text', { details: { line: 1, column: 1 } });
  const text = bytes.toString('utf8');
  if (/^\ufeff?\s*$/.test(text)) throw new PinRefusal('empty_body', 'Empty YAML configuration');
  return text;
}
