// Lines of a run whose jobs print into one log: all of them, with the job's name before each, or only those of one job.

import { printable } from './status.ts';

export interface LineView {
  /** The lines from here on come from where the event says; other events change nothing. */
  heed(event: { readonly type: string; readonly [fact: string]: unknown }): void;
  /** The line as it is to be shown; undefined when it is not. */
  show(line: string): string | undefined;
}

export interface LineWish {
  /** Only the lines of this job. */
  readonly job?: string;
  /** `[build] ` before each line of the job `build`. */
  readonly prefix?: true;
}

/** From a place where lines are the run's own, until an event says otherwise. */
export function lineView({ job: only, prefix }: LineWish): LineView {
  let job: string | undefined;
  return {
    heed: (event) => {
      if (event.type === 'stream') job = typeof event['job'] === 'string' ? event['job'] : undefined;
    },
    show: (line) => {
      if (only !== undefined && job !== only) return undefined;
      return prefix && job !== undefined ? `[${printable(job)}] ${line}` : line;
    },
  };
}
