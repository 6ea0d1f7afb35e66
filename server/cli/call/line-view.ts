// Selects and labels the lines of a run whose jobs share one log: the name of the job before each line, or the lines of
// one job only.

import { printable } from './status.ts';

export interface LineView {
  /** Remembers the job of the next lines if this is a `stream` event; ignores all other events. */
  onEvent(event: { readonly type: string; readonly [fact: string]: unknown }): void;
  /** Returns the line to show, or undefined to hide it. */
  formatLine(line: string): string | undefined;
}

export interface LineViewOptions {
  /** Shows only the lines of this job. */
  readonly job?: string;
  /** Prints `[build] ` before each line of the job `build`, and `[build/db] ` before those of its service `db`. */
  readonly prefix?: true;
}

/** Until the first event, lines belong to the run itself. */
export function createLineView({ job: only, prefix }: LineViewOptions): LineView {
  let job: string | undefined;
  let service: string | undefined;
  return {
    onEvent: (event) => {
      if (event.type !== 'stream') return;
      job = readName(event['job']);
      service = readName(event['service']);
    },
    formatLine: (line) => {
      if (only !== undefined && job !== only) return undefined;
      if (!prefix || job === undefined) return line;
      return `[${printable(service === undefined ? job : `${job}/${service}`)}] ${line}`;
    },
  };
}

function readName(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
