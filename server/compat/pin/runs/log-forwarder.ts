// Forwards the log of one run to the event log. It reads with a watcher, so the run never waits for it.

import type { PipelineEvent } from '../../../pipeline/run/events/events.ts';
import { eachLine, type OutputEntry, readText } from '../../../runs/log/entry.ts';
import type { WatchableLog } from '../../../runs/log/watchable-log.ts';
import { type LogSink, Watcher } from '../../../runs/views/watcher.ts';
import { encodeEvent } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import type { JobTracker } from './job-tracker.ts';
import { mapEvent } from './map-events.ts';

export interface ForwarderOptions {
  readonly run: string;
  readonly jobs: JobTracker;
  readonly eventLog: EventLog;
}

/** Resolves when all entries of the log are forwarded. Rejects if the log cannot be read. */
export function forwardLog(log: WatchableLog, options: ForwarderOptions): Promise<void> {
  return new Promise((onEnd, onError) => {
    const forwarder = new EventForwarder(options);
    const watcher = new Watcher(log, forwarder, { format: 'lines', onEnd, onError });
    forwarder.onDrained = () => watcher.wake();
    watcher.wake();
  });
}

/** Applies the events of an ended log to `jobs`. Rejects if the log cannot be read. */
export function replayJobs(log: WatchableLog, jobs: JobTracker): Promise<void> {
  return new Promise((onEnd, onError) => {
    const forwarder: LogSink = {
      full: false,
      output: () => {},
      event: (json) => jobs.apply(JSON.parse(decodeJson(json)) as PipelineEvent),
    };
    new Watcher(log, forwarder, { format: 'lines', onEnd, onError }).wake();
  });
}

interface StreamEvent {
  readonly type: 'stream';
  readonly stream: 'stdout' | 'stderr';
  readonly job?: string;
  readonly service?: string;
}

class EventForwarder implements LogSink {
  onDrained: () => void = () => {};
  readonly #options: ForwarderOptions;
  /** Source of the next lines. */
  #from: Omit<StreamEvent, 'type'> = { stream: 'stdout' };
  #draining = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * True while the event log has too many pending events. The watcher then pauses, and the rest stays in the run's log.
   */
  get full(): boolean {
    const { eventLog } = this.#options;
    if (!eventLog.full) return false;
    if (!this.#draining) {
      this.#draining = true;
      void eventLog.drained().then(() => {
        this.#draining = false;
        this.onDrained();
      });
    }
    return true;
  }

  output(entry: OutputEntry): void {
    const { run, jobs, eventLog } = this.#options;
    const { stream, job, service } = this.#from;
    if (service !== undefined) return;
    const lines = Array.from(eachLine(readText(entry)), (line) => line.toString('utf8'));
    eventLog.appendOutput({
      lines,
      line: entry.start.line,
      run,
      stream,
      timestamp: new Date().toISOString(),
      ...(job !== undefined && { job: jobs.displayName(job) }),
    });
  }

  /** After a gap, lines belong to the run itself until an event names another source. */
  gap(): void {
    this.#from = { stream: 'stdout' };
  }

  event(json: Uint8Array): void {
    const event = JSON.parse(decodeJson(json)) as PipelineEvent | StreamEvent;
    if (event.type === 'stream') {
      this.#from = event;
      return;
    }
    const { run, jobs, eventLog } = this.#options;
    jobs.apply(event);
    const job = 'job' in event ? { job: jobs.displayName(event.job) } : {};
    const mapped = isPipelineEvent(event) ? mapEvent(event, (id) => jobs.displayName(id)) : [];
    if (mapped.length > 0)
      eventLog.appendTexts(
        mapped.map((one) => `${encodeEvent({ ...one, run_id: run, timestamp: event.time, ...job })}\n`).join(''),
      );
  }
}

/** The log of a run also has events that are not from its pipeline, such as `awaiting-input`. */
const pipelineEventType = /^(pipeline|job)-[a-z]+$/;

function isPipelineEvent({ type }: PipelineEvent): boolean {
  return pipelineEventType.test(type);
}

function decodeJson(json: Uint8Array): string {
  return Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8');
}
