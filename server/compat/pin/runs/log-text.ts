// Writes the log of a run as text, from its events in the event log.

import type { ServerResponse } from 'node:http';
import { eachLine } from '../../../runs/log/entry.ts';
import { type PinEvent, readEventHead } from '../events/event.ts';
import type { EventBatch, EventLog } from '../events/event-log.ts';
import { type EventSink, EventWatcher } from '../events/event-watcher.ts';

export interface EventRange {
  readonly run: string;
  /** Number of events before the run. */
  readonly from: number;
  /** Number of the last event to write. */
  readonly to: number;
}

/** Types of events that the text omits, because a status line has the same content. */
const duplicatedTypes: ReadonlySet<string> = new Set(['job_skipped', 'job_retry']);
const waitingBytesMax = 256 << 10;

/**
 * Writes the log of a run. Resolves when everything is written or the client has disconnected. Rejects if the event log
 * cannot be read.
 */
export async function writeLog(response: ServerResponse, range: EventRange, eventLog: EventLog): Promise<void> {
  const start = await eventLog.log.locate({ after: Math.min(range.from, eventLog.count) }, 'lines');
  // After a crash or a write error, the event log may lack the last events of the range.
  const to = Math.min(range.to, eventLog.count);
  if (to <= start.line || response.destroyed) return void response.end();
  await new Promise<void>((resolve, reject) => {
    const writer = new LogTextWriter(response, { ...range, to }, start.line);
    const watcher: EventWatcher = new EventWatcher(eventLog, writer, {
      from: start,
      run: range.run,
      onEnd: resolve,
      onError: reject,
    });
    writer.onDone = () => {
      watcher.stop();
      resolve();
    };
    writer.onDrained = () => watcher.wake();
    response.once('close', writer.onDone);
    watcher.wake();
  });
  response.end();
}

class LogTextWriter implements EventSink {
  onDone: () => void = () => {};
  onDrained: () => void = () => {};
  readonly #response: ServerResponse;
  readonly #range: EventRange;
  #number: number;
  #hasText = false;

  constructor(response: ServerResponse, range: EventRange, number: number) {
    this.#response = response;
    this.#range = range;
    this.#number = number;
  }

  get full(): boolean {
    return this.#response.writableLength >= waitingBytesMax;
  }

  events({ first, count, json: texts }: EventBatch): void {
    const lines: string[] = [];
    let number = first;
    for (const json of eachLine(texts)) {
      if (number++ > this.#range.to) break;
      const { run, type } = readEventHead(json);
      if (run === this.#range.run && !duplicatedTypes.has(type))
        lines.push(formatLine(JSON.parse(json.toString('utf8')) as PinEvent));
    }
    this.#hasText ||= lines.length > 0;
    this.#number = first + count - 1;
    this.#write(lines);
  }

  gap(_from: number, to: number): void {
    this.#number = to;
    const what = this.#hasText ? 'some output' : 'the beginning';
    this.#write([`${new Date().toISOString()} [warning] ${what} is no longer stored\n`]);
  }

  #write(lines: readonly string[]): void {
    if (lines.length > 0) this.#response.write(lines.join(''), () => this.onDrained());
    if (this.#number >= this.#range.to) this.onDone();
  }
}

/** Returns `<RFC 3339> [level] [job] message`. Lines of output have the stream in place of the level. */
function formatLine(event: PinEvent): string {
  const { timestamp, level, job, message, stream, error, type } = event;
  // Append the error of the pipeline, because no other line contains it.
  const text =
    type === 'pipeline_error' ? `${message}: ${String(error).replace(/^pipeline execution failed: /, '')}` : message;
  return [
    `${timestamp} [${typeof stream === 'string' ? stream : level}] `,
    `${job === undefined ? '' : `[${job}] `}${text.replaceAll('\n', '\n  ')}\n`,
  ].join('');
}
