// Follows the log of one run, and says in the journal what happens in it: a watcher like any other, so the run never waits for it.

import type { PipelineEvent } from '../../../pipeline/run/events.ts';
import { Watcher, type Outlet } from '../../../runs/watcher.ts';
import type { WatchedLog } from '../../../runs/log/watched.ts';
import { encodeEvent } from '../events/event.ts';
import { payloads } from '../events/frames.ts';
import type { Journal } from '../events/journal.ts';
import { outputEvents } from '../events/output.ts';
import type { Jobs } from './jobs.ts';
import { translate } from './translate.ts';

export interface FollowerOptions {
  readonly run: string;
  readonly jobs: Jobs;
  readonly journal: Journal;
}

/** Resolves when everything of the log is told. Rejects when the log cannot be read. */
export function follow(log: WatchedLog, options: FollowerOptions): Promise<void> {
  return new Promise((onEnd, onError) => {
    const outlet = new Teller(options);
    const watcher = new Watcher(log, outlet, { shape: 'lines', onEnd, onError });
    outlet.onDrained = () => watcher.wake();
    watcher.wake();
  });
}

/** What has become of the jobs, as far as a log tells that nobody writes any more. Rejects when it cannot be read. */
export function lookBack(log: WatchedLog, jobs: Jobs): Promise<void> {
  return new Promise((onEnd, onError) => {
    const outlet: Outlet = { full: false, frames: () => 'done', event: (json) => jobs.apply(JSON.parse(textOf(json)) as PipelineEvent) };
    new Watcher(log, outlet, { shape: 'lines', onEnd, onError }).wake();
  });
}

interface StreamEvent {
  readonly type: 'stream';
  readonly stream: 'stdout' | 'stderr';
  readonly job?: string;
}

class Teller implements Outlet {
  onDrained: () => void = () => {};
  readonly #options: FollowerOptions;
  /** What prints the lines that come. */
  #from: { readonly stream: 'stdout' | 'stderr'; readonly job?: string } = { stream: 'stdout' };
  #draining = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** The disk is behind with the journal: the rest waits in the files of the run. */
  get full(): boolean {
    const { log } = this.#options.journal;
    if (!log.full) return false;
    if (!this.#draining) {
      this.#draining = true;
      void log.drained().then(() => {
        this.#draining = false;
        this.onDrained();
      });
    }
    return true;
  }

  frames(frames: Buffer): 'done' {
    const { run, jobs, journal } = this.#options;
    const { stream, job } = this.#from;
    const lines = Array.from(payloads(frames), (line) => line.toString('utf8'));
    const of = { run, stream, timestamp: new Date().toISOString(), ...(job !== undefined && { job: jobs.nameOf(job) }) };
    journal.appendTexts(outputEvents(lines, of));
    return 'done';
  }

  event(json: Uint8Array): void {
    const event = JSON.parse(textOf(json)) as PipelineEvent | StreamEvent;
    if (event.type === 'stream') {
      this.#from = event;
      return;
    }
    const { run, jobs, journal } = this.#options;
    jobs.apply(event);
    const job = 'job' in event ? { job: jobs.nameOf(event.job) } : {};
    const said = isKnown(event) ? translate(event, (id) => jobs.nameOf(id)) : [];
    if (said.length > 0) journal.appendTexts(said.map((one) => `${encodeEvent({ ...one, run_id: run, timestamp: event.time, ...job })}\n`).join(''));
  }
}

/** A log holds events that are not of its pipeline, such as that it waits. */
const pipelineEvent = /^(pipeline|job)-[a-z]+$/;

function isKnown({ type }: PipelineEvent): boolean {
  return pipelineEvent.test(type);
}

function textOf(json: Uint8Array): string {
  return Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8');
}
