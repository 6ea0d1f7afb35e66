// The log of a run as text, from its events in the journal.

import type { ServerResponse } from 'node:http';
import { Watcher, type Outlet } from '../../../runs/watcher.ts';
import { headOf, type PinEvent } from '../events/event.ts';
import { payloads } from '../events/frames.ts';
import type { Journal } from '../events/journal.ts';

export interface Stretch {
  readonly run: string;
  /** Events before it. */
  readonly from: number;
  /** The number of its last event that is wanted. */
  readonly to: number;
}

/** Of these there is a status line that says the same. */
const twice: ReadonlySet<string> = new Set(['job_skipped', 'job_retry']);
const waitingBytesMax = 256 << 10;

/** Resolves when all of it is written and the response is ended, or the client has gone. Rejects when the journal cannot be read. */
export async function writeLog(response: ServerResponse, stretch: Stretch, journal: Journal): Promise<void> {
  const place = await journal.log.locate({ after: Math.min(stretch.from, journal.count) }, 'lines');
  // A crash may have taken the last of it, or a disk that was full.
  const to = Math.min(stretch.to, journal.count);
  if (to <= place.line || response.destroyed) return void response.end();
  await new Promise<void>((resolve, reject) => {
    const outlet = new Scribe(response, { ...stretch, to }, place.line);
    const watcher: Watcher = new Watcher(journal.log, outlet, { shape: 'lines', from: place, onEnd: resolve, onError: reject });
    outlet.onDone = () => {
      watcher.stop();
      resolve();
    };
    outlet.onTaken = () => watcher.wake();
    response.once('close', outlet.onDone);
    watcher.wake();
  });
  response.end();
}

class Scribe implements Outlet {
  onDone: () => void = () => {};
  onTaken: () => void = () => {};
  readonly #response: ServerResponse;
  readonly #stretch: Stretch;
  #number: number;

  constructor(response: ServerResponse, stretch: Stretch, number: number) {
    this.#response = response;
    this.#stretch = stretch;
    this.#number = number;
  }

  get full(): boolean {
    return this.#response.writableLength >= waitingBytesMax;
  }

  frames(frames: Buffer): 'done' {
    const lines: string[] = [];
    for (const json of payloads(frames)) {
      if (this.#number >= this.#stretch.to) break;
      this.#number++;
      const { run, type } = headOf(json);
      if (run === this.#stretch.run && !twice.has(type)) lines.push(lineOf(JSON.parse(json.toString('utf8')) as PinEvent));
    }
    this.#write(lines);
    return 'done';
  }

  event(): void {}

  gap(_from: number, to: number): void {
    this.#number = to;
    this.#write([`${new Date().toISOString()} [warning] the beginning is not kept any more\n`]);
  }

  #write(lines: readonly string[]): void {
    if (lines.length > 0) this.#response.write(lines.join(''), () => this.onTaken());
    if (this.#number >= this.#stretch.to) this.onDone();
  }
}

/** `<RFC 3339> [level] [job] message`; of output the stream stands in the place of the level. */
export function lineOf(event: PinEvent): string {
  const { timestamp, level, job, message, stream, error, type } = event;
  // What went wrong with all of it stands in no other line.
  const text = type === 'pipeline_error' ? `${message}: ${String(error).replace(/^pipeline execution failed: /, '')}` : message;
  return `${timestamp} [${typeof stream === 'string' ? stream : level}] ${job === undefined ? '' : `[${job}] `}${text.replaceAll('\n', '\n  ')}\n`;
}
