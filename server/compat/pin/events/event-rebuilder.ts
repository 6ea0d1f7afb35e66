// Rebuilds the events of output: reads rows of the event log, and the lines in the logs of runs to which the rows
// refer.

import { eachLine } from '../../../runs/log/entry.ts';
import type { EventBatch, EventGap, EventLog } from './event-log.ts';
import { LineReader } from './line-reader.ts';
import { isEvent, OutputEncoder, type OutputRow, readRow } from './output-events.ts';

/** Approximate size of a rebuilt batch. */
const batchBytes = 64 << 10;
/** Maximum number of logs that are open at once. */
const readersMax = 4;
/** Maximum number of lines that an open reader skips. To skip more, a new reader is opened at the line. */
const skipMax = 10_000;

export class EventRebuilder {
  readonly #eventLog: EventLog;
  readonly #run: string | undefined;
  readonly #readers = new Map<string, LineReader | undefined>();
  #row: OutputRow | undefined;
  /** Number of the event after the last one that was rebuilt. */
  #next: number | undefined;
  #encoder: { readonly row: OutputRow; readonly encoder: OutputEncoder } | undefined;
  #pieces: { readonly row: OutputRow; readonly texts: readonly string[] } | undefined;

  /** If `run` is set, reads no output of other runs. */
  constructor(eventLog: EventLog, run: string | undefined) {
    this.#eventLog = eventLog;
    this.#run = run;
  }

  /**
   * Yields the events of consecutive lines of the event log, in order and in batches. `first` is the number of the
   * first event. Yields a gap for output that is no longer stored. Throws if a log cannot be read.
   */
  async *rebuild(first: number, lines: Buffer): AsyncGenerator<EventBatch | EventGap, void, void> {
    const batches = new BatchCollector(first);
    try {
      if (this.#next !== first) await this.#findRowBefore(first);
      let number = first;
      for (const line of eachLine(lines)) {
        if (isEvent(line)) batches.add(line);
        else {
          this.#row = readRow(line, this.#row);
          const ready = this.#addRow(batches, this.#row);
          if (ready !== undefined) await ready;
        }
        this.#next = ++number;
        yield* batches.take(batchBytes);
      }
      yield* batches.take(0);
    } finally {
      this.#close();
    }
  }

  async #findRowBefore(first: number): Promise<void> {
    this.#row = await this.#eventLog.rowBefore(first);
  }

  /**
   * Adds the event of a row. Returns a promise if a line of the run's log has to be read for it, otherwise undefined.
   */
  #addRow(batches: BatchCollector, row: OutputRow | undefined): Promise<void> | undefined {
    if (row === undefined) return void batches.addMissing();
    const { run } = row.source;
    if (this.#run !== undefined && this.#run !== run) return void batches.addSkipped();
    const known = this.#pieces?.row;
    if (known !== undefined && known.source === row.source && known.line === row.line)
      return void batches.add(this.#pieces!.texts[row.piece]);
    const reader = this.#readers.get(run);
    if (reader === undefined && this.#readers.has(run)) return void batches.addMissing();
    if (reader?.isAhead(row.line) !== true || !reader.covers(row.line)) return this.#loadRow(batches, row);
    this.#addLine(batches, row, reader);
    return undefined;
  }

  async #loadRow(batches: BatchCollector, row: OutputRow): Promise<void> {
    const reader = await this.#reader(row);
    await reader?.load(row.line);
    this.#addLine(batches, row, reader);
  }

  #addLine(batches: BatchCollector, row: OutputRow, reader: LineReader | undefined): void {
    const line = reader?.read(row.line);
    if (line === undefined) return batches.addMissing();
    const texts = this.#encoderFor(row).encode(line.toString('utf8'));
    this.#pieces = texts.length > 1 ? { row, texts } : undefined;
    batches.add(texts[row.piece]);
  }

  #encoderFor(row: OutputRow): OutputEncoder {
    const known = this.#encoder;
    if (known !== undefined && known.row.source === row.source && known.row.time === row.time) return known.encoder;
    const encoder = new OutputEncoder({ ...row.source, timestamp: new Date(row.time).toISOString() });
    this.#encoder = { row, encoder };
    return encoder;
  }

  /** Resolves with undefined if the run no longer exists. */
  async #reader({ source: { run }, line }: OutputRow): Promise<LineReader | undefined> {
    const known = this.#readers.get(run);
    if (known?.isAhead(line) === true && known.covers(line - skipMax)) return known;
    known?.close();
    this.#readers.delete(run);
    const log = this.#eventLog.runLog(run);
    const reader = log && (await LineReader.open(log, line));
    this.#readers.set(run, reader);
    for (const [oldest, open] of this.#readers) {
      if (this.#readers.size <= readersMax) break;
      open?.close();
      this.#readers.delete(oldest);
    }
    return reader;
  }

  #close(): void {
    for (const reader of this.#readers.values()) reader?.close();
    this.#readers.clear();
  }
}

/** Collects consecutive events of one kind: with their text, skipped, or no longer stored. */
class BatchCollector {
  #kind: 'events' | 'skipped' | 'gap' = 'events';
  #first: number;
  #count = 0;
  #texts: string[] = [];
  #bytes = 0;
  #complete: (EventBatch | EventGap)[] = [];

  constructor(first: number) {
    this.#first = first;
  }

  /** Adds the JSON of an event, with or without `\n`; undefined for an event that is no longer stored. */
  add(json: Buffer | string | undefined): void {
    if (json === undefined) return this.addMissing();
    this.#append('events');
    this.#texts.push(typeof json === 'string' ? json : `${json.toString('utf8')}\n`);
    this.#bytes += json.length;
  }

  addSkipped(): void {
    this.#append('skipped');
  }

  addMissing(): void {
    this.#append('gap');
  }

  /** Returns the complete batches. Also completes and returns the current batch if it has at least this size. */
  take(bytes: number): readonly (EventBatch | EventGap)[] {
    if (this.#bytes >= bytes) this.#end();
    return this.#complete.length === 0 ? [] : this.#complete.splice(0);
  }

  #append(kind: 'events' | 'skipped' | 'gap'): void {
    if (kind !== this.#kind) this.#end();
    this.#kind = kind;
    this.#count++;
  }

  #end(): void {
    const first = this.#first;
    const count = this.#count;
    if (count === 0) return;
    this.#complete.push(
      this.#kind === 'gap'
        ? { from: first, to: first + count - 1 }
        : { first, count, json: Buffer.from(this.#texts.join('')) },
    );
    this.#first = first + count;
    this.#count = 0;
    this.#texts = [];
    this.#bytes = 0;
  }
}
