// Append-only log of all events of the pin API: one line per event, so that the line number is the cursor of a client.
// An event of output is a row that refers to the log of a run, which stores the output.

import { join } from 'node:path';
import { type OutputEntry, readText } from '../../../runs/log/entry.ts';
import { type LogLimits, RunLog } from '../../../runs/log/log.ts';
import type { WatchableLog } from '../../../runs/log/watchable-log.ts';
import type { Logger } from '../../../support/logger.ts';
import { makeFolder } from '../../../support/make-folder.ts';
import { encodeEvent, type PinEvent } from './event.ts';
import { EventIds } from './event-ids.ts';
import { LineReader } from './line-reader.ts';
import {
  encodeOutput,
  isEvent,
  type OutputBatch,
  type OutputRow,
  OutputRows,
  readRow,
  seriesMax,
} from './output-events.ts';

export interface EventLogDeps {
  /** Created if it does not exist. */
  readonly folder: string;
  /**
   * Maximum size of the files. Above it, the oldest events are removed. Output counts with its rows, not with its text.
   */
  readonly bytesMax: number;
  readonly limits: Pick<LogLimits, 'tailBytesMax' | 'pendingWriteBytesMax'>;
  /** Returns the log of a run; undefined if the run no longer exists. */
  runLog(run: string): WatchableLog | undefined;
  readonly log: Logger;
}

/** Consecutive events. */
export interface EventBatch {
  /** Number of the first event, counted from 1. */
  readonly first: number;
  readonly count: number;
  /** JSON texts of the events, each ended by `\n`. Empty if the events belong to another run and are skipped. */
  readonly json: Buffer;
  /**
   * The entry of the log with exactly these events, if there is one. The frames that are encoded for clients are cached
   * with this entry, so that clients share them.
   */
  readonly entry?: OutputEntry;
}

/** Numbers of events that are no longer stored. Both ends are inclusive. */
export interface EventGap {
  readonly from: number;
  readonly to: number;
}

/**
 * Maximum number of pending events: less than the number of ids that a restart skips. A limit in bytes would not do,
 * because rows are short.
 */
const pendingEventsMax = 250_000;

/** Longer than any event, so that the log never splits an event. */
const lineBytesMax = 1 << 20;
/** Number of segments in the retained size. Retention removes one segment at a time. */
const segmentsRetained = 8;
const newline = 0x0a;
const segmentBytes = { least: 64 << 10, most: 64 << 20 };

export class EventLog {
  readonly log: RunLog;
  readonly ids: EventIds;
  readonly #deps: EventLogDeps;
  readonly #segmentBytes: number;
  readonly #rows = new OutputRows();
  readonly #recent: RecentOutput;
  #checkedAtByte = -Infinity;
  #removing: Promise<void> | undefined;

  private constructor(log: RunLog, ids: EventIds, deps: EventLogDeps) {
    this.log = log;
    this.ids = ids;
    this.#deps = deps;
    this.#segmentBytes = segmentSize(deps);
    this.#recent = new RecentOutput(deps.limits.tailBytesMax);
  }

  /** Resumes from the state in the folder, also after a crash. Rejects with the file-system error. */
  static async open(deps: EventLogDeps): Promise<EventLog> {
    const { folder, limits, log: logger } = deps;
    makeFolder(folder, 0o750);
    const { log } = await RunLog.resume(join(folder, 'events'), {
      format: 'lines',
      limits: { ...limits, lineBytesMax, segmentBytesMax: segmentSize(deps), outputBytesMax: 0 },
      onFailure: (error) =>
        logger.error({ err: error }, 'events of the pin API cannot be stored; no more events are emitted'),
    });
    return new EventLog(log, EventIds.start(join(folder, 'starts.json'), log.position.line), deps);
  }

  /** Number of all events, including removed ones. */
  get count(): number {
    return this.log.position.line;
  }

  append(event: Omit<PinEvent, 'timestamp'> & { readonly timestamp?: string }): void {
    this.appendTexts(`${encodeEvent({ timestamp: new Date().toISOString(), ...event } as PinEvent)}\n`);
  }

  /** Appends the JSON texts of events, each ended by `\n`. */
  appendTexts(texts: string): void {
    this.#rows.reset();
    this.#write(texts);
  }

  /** Appends rows for output in the log of a run. If there are clients, also encodes the events for them. */
  appendOutput(output: OutputBatch): void {
    const hasClients = this.log.tail.watchers.size > 0;
    const json = hasClients ? encodeOutput(output.lines, output) : '';
    const rows = this.#rows.encode(output);
    if (hasClients) this.#recent.add({ first: this.count + 1, count: rows.count, json: Buffer.from(json) });
    this.#write(rows.text);
    this.#recent.trim();
  }

  /** True while there are so many pending events that output must wait. */
  get full(): boolean {
    const { log } = this;
    return log.full || log.position.line - log.written.line >= pendingEventsMax;
  }

  /** Resolves when more output can be appended. */
  drained(): Promise<void> {
    if (this.log.full) return this.log.drained();
    return new Promise((resolve) => {
      const unwatch = this.log.watch(() => {
        if (this.full) return;
        unwatch();
        resolve();
      });
    });
  }

  /** Returns the events of an entry of `log`; undefined unless all of them are in memory. */
  inMemory(entry: OutputEntry): EventBatch | undefined {
    const first = entry.start.line + 1;
    const count = entry.end.line - entry.start.line;
    const recent = this.#recent.get(first);
    if (recent?.count === count) return { ...recent, entry };
    const json = readText(entry);
    return isEvents(json) ? { first, count, json, entry } : undefined;
  }

  runLog(run: string): WatchableLog | undefined {
    return this.#deps.runLog(run);
  }

  /**
   * Returns the row of the event before this number. Returns undefined if that event is no row, or if the start of its
   * series is no longer stored.
   */
  async rowBefore(number: number): Promise<OutputRow | undefined> {
    const start = Math.max(0, number - 1 - seriesMax);
    const reader = await LineReader.open(this.log, start);
    try {
      let row: OutputRow | undefined;
      for (let line = start; line < number - 1; line++) {
        await reader.load(line);
        const text = reader.read(line);
        row = text === undefined || isEvent(text) ? undefined : readRow(text, row);
      }
      return row;
    } finally {
      reader.close();
    }
  }

  #write(lines: string): void {
    this.log.write('stdout', Buffer.from(lines));
    if (this.log.position.byte - this.#checkedAtByte >= this.#segmentBytes / 2) this.#startRetention();
  }

  /** Writes all pending events. All streams then reach the end of the log. Idempotent. */
  async close(): Promise<void> {
    await this.log.close();
    await this.#removing;
  }

  #startRetention(): void {
    this.#checkedAtByte = this.log.position.byte;
    this.#removing ??= this.#removeOldSegments()
      .catch((error: unknown) => this.#deps.log.error({ err: error }, 'old events of the pin API could not be removed'))
      .finally(() => {
        this.#removing = undefined;
      });
  }

  /** Removes the oldest segments above the limit, but never the segment that is being written. */
  async #removeOldSegments(): Promise<void> {
    const segments = await this.log.segments();
    let retained = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    let below = 0;
    for (const { number, bytes } of segments) {
      if (retained <= this.#deps.bytesMax) break;
      retained -= bytes;
      below = number + 1;
    }
    if (below > 0) await this.log.dropSegments(below);
  }
}

/** Holds the events of the newest output in memory, because most clients read them at once. */
class RecentOutput {
  readonly #bytesMax: number;
  /** Batches by the number of their first event, oldest first. */
  readonly #batches = new Map<number, EventBatch>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(batch: EventBatch): void {
    this.#batches.set(batch.first, batch);
    this.#bytes += batch.json.length;
  }

  /** Removes the oldest batches above the limit. Watchers that need their events rebuild them from the logs of runs. */
  trim(): void {
    for (const [oldest, { json }] of this.#batches) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#batches.delete(oldest);
      this.#bytes -= json.length;
    }
  }

  get(first: number): EventBatch | undefined {
    return this.#batches.get(first);
  }
}

/** Returns whether all lines are events, and none is a row. */
function isEvents(lines: Buffer): boolean {
  for (let start = 0; start < lines.length; start = lines.indexOf(newline, start) + 1)
    if (!isEvent(lines.subarray(start, start + 16))) return false;
  return true;
}

function segmentSize({ bytesMax }: EventLogDeps): number {
  return Math.min(segmentBytes.most, Math.max(segmentBytes.least, Math.floor(bytesMax / segmentsRetained)));
}
