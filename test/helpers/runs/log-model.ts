// A simple model of a log and its watchers. `RandomizedLog` compares it with the real ones under random operations.

import { TextDecoder } from 'node:util';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { LogLimits, RunLog } from '../../../server/runs/log/log.ts';
import type { LogFormat } from '../../../server/runs/log/storage/read-page.ts';
import { LineSplitter } from '../../../server/runs/log/text/line-splitter.ts';
import { Watcher } from '../../../server/runs/views/watcher.ts';
import { waitUntil } from '../wait-until.ts';
import {
  type BlockedDisk,
  blockDisk,
  newLog,
  pick,
  type RandomInteger,
  RecordingSink,
  randomOutput,
} from './test-log.ts';

/** Predicts the lines and events that a watcher of one format receives. Source events are not repeated. */
export class LogModel {
  readonly #log: LogFormat;
  readonly #view: LogFormat;
  readonly #lineBytesMax: number;
  readonly #splitters = new Map<string, LineSplitter>();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly expected: string[] = [];
  #source = 'stdout';
  #seq = 0;

  constructor(log: LogFormat, view: LogFormat, lineBytesMax: number) {
    this.#log = log;
    this.#view = view;
    this.#lineBytesMax = lineBytesMax;
  }

  write(stream: OutputStream, chunk: Uint8Array, job?: string): void {
    const source = formatSource(stream, job);
    if (this.#log === 'lines') this.#addLines(source, this.#splitter(source).push(chunk));
    else this.#text(this.#decoder.decode(chunk, { stream: true }));
  }

  end(stream: OutputStream, job?: string): void {
    const source = formatSource(stream, job);
    this.#addLines(source, this.#splitter(source).flush());
    if (job !== undefined) this.#splitters.delete(source);
  }

  emit(type: string): void {
    this.expected.push(`#${type} ${++this.#seq}`);
  }

  close(): void {
    if (this.#log === 'raw') this.#text(this.#decoder.decode());
    this.end('stdout');
    this.end('stderr');
    for (const [source, splitter] of this.#splitters) this.#addLines(source, splitter.flush());
  }

  #splitter(source: string): LineSplitter {
    const known = this.#splitters.get(source) ?? new LineSplitter(this.#lineBytesMax);
    this.#splitters.set(source, known);
    return known;
  }

  #text(text: string): void {
    if (this.#view === 'raw') this.expected.push(text);
    else this.#addLines('stdout', this.#splitter('stdout').push(Buffer.from(text)));
  }

  #addLines(source: string, regions: ReturnType<LineSplitter['push']>): void {
    for (const { pieces, cut, unterminated } of regions) {
      if (source !== this.#source) this.emit(`stream:${source}`);
      this.#source = source;
      const lines = Buffer.concat(pieces).toString('utf8').split('\n').slice(0, -1);
      this.expected.push(...lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)));
      if (this.#log === 'lines' && cut) this.emit('cut');
      if (this.#log === 'lines' && unterminated) this.emit('unterminated');
    }
  }
}

function formatSource(stream: OutputStream, job: string | undefined): string {
  return job === undefined ? stream : `${stream}:${job}`;
}

/**
 * Removes repeated source events from what a watcher received since the beginning. Throws if an event is missing or out
 * of order.
 */
export function withoutRepeats(received: readonly string[]): string[] {
  let source = 'stdout';
  let seq = 0;
  let repeats = 0;
  return received.flatMap((text) => {
    const [, type, number] = /^#(\S+) (\d+)$/.exec(text) ?? [];
    if (type === undefined) return [text];
    seq += 1;
    if (Number(number) !== seq) throw new Error(`${text} is not event ${seq}`);
    const named = /^stream:(.+)$/.exec(type)?.[1];
    if (named === source) {
      repeats += 1;
      return [];
    }
    source = named ?? source;
    return [`#${type} ${seq - repeats}`];
  });
}

/** Merges chunks of a terminal, because a log may merge or split them. */
export function mergeTerminalChunks(received: readonly string[], format: LogFormat): string[] {
  if (format === 'lines') return [...received];
  const merged: string[] = [];
  for (const text of received) {
    const last = merged.at(-1);
    if (last !== undefined && !text.startsWith('#') && !last.startsWith('#')) merged[merged.length - 1] = last + text;
    else if (text !== '') merged.push(text);
  }
  return merged;
}

interface ModelWatcher {
  readonly format: LogFormat;
  readonly sink: RecordingSink;
  readonly watcher: Watcher;
  /** What was received before the position where the watcher began. */
  readonly skipped: readonly string[];
  blocked: boolean;
  /** How many entries the watcher still accepts. */
  capacity: number;
  ends: number;
  receivedAtEnd: number;
}

/** One log with many watchers, driven at random. */
export class RandomizedLog {
  readonly log: RunLog;
  readonly watchers: ModelWatcher[] = [];
  readonly #random: RandomInteger;
  readonly #folder: string;
  /** True if the test removes old segments at random times. */
  readonly #retention: boolean;
  readonly #models: Record<LogFormat, LogModel>;
  #disk: BlockedDisk | undefined;

  constructor(
    folder: string,
    random: RandomInteger,
    { format, retention }: { readonly format: LogFormat; readonly retention: boolean },
  ) {
    const limits: LogLimits = {
      lineBytesMax: pick(random, [64, 300, 1 << 20]),
      tailBytesMax: pick(random, [0, 200, 20_000, 1 << 20]),
      pendingWriteBytesMax: 1 << 16,
      segmentBytesMax: pick(random, [300, 5000, 1 << 26]),
      outputBytesMax: 0,
    };
    this.log = newLog(folder, format, limits);
    this.#random = random;
    this.#folder = folder;
    this.#retention = retention;
    this.#models = {
      lines: new LogModel(format, 'lines', limits.lineBytesMax),
      raw: new LogModel(format, 'raw', limits.lineBytesMax),
    };
  }

  async run(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) await this.#step();
    for (const model of Object.values(this.#models)) model.close();
    const closed = this.log.close();
    this.log.write('stdout', Buffer.from('too late\n'));
    this.log.emit('too-late');
    await this.#disk?.unblock();
    if (this.#random(2) === 0) this.#addWatcher();
    await closed;
    this.#addWatcher();
    for (const holder of this.watchers) this.#unblock(holder, Infinity);
    await waitUntil('every watcher has reached the end', () => this.watchers.every(({ ends }) => ends > 0));
  }

  expected({ format }: ModelWatcher): string[] {
    return mergeTerminalChunks(this.#models[format].expected, format);
  }

  async #step(): Promise<void> {
    switch (this.#random(this.#retention ? 10 : 9)) {
      case 0:
      case 1:
      case 2:
        return this.#write();
      case 3:
        return this.#emit();
      case 4:
        return this.watchers.length < 8 ? this.#addWatcher() : undefined;
      case 5:
        for (const holder of this.watchers) this.#unblock(holder, this.#random(6));
        return;
      case 6:
        for (const holder of this.watchers) holder.blocked = this.#random(2) === 0;
        return;
      case 7:
        return this.#toggleDisk();
      case 8:
        return new Promise((resolve) => setImmediate(resolve));
      default:
        return void (await this.#removeSegments());
    }
  }

  #write(): void {
    const lines = this.log.format === 'lines';
    const stream = lines && this.#random(3) === 0 ? 'stderr' : 'stdout';
    const job = lines && this.#random(2) === 0 ? pick(this.#random, ['a', 'b']) : undefined;
    const place = job === undefined ? this.log : this.log.part(job);
    const bytes = randomOutput(this.#random, 1 + this.#random(this.#random(20) === 0 ? 3000 : 60));
    for (const model of Object.values(this.#models)) model.write(stream, bytes, job);
    place.write(stream, bytes);
    if (!lines || this.#random(8) > 0) return;
    for (const model of Object.values(this.#models)) model.end(stream, job);
    place.endStream(stream);
  }

  #emit(): void {
    const type = pick(this.#random, ['small', 'large', 'huge']);
    for (const model of Object.values(this.#models)) model.emit(type);
    const sizes: Readonly<Record<string, number>> = { small: 1, large: 30_000, huge: 100_000 };
    this.log.emit(type, { text: 'e'.repeat(sizes[type]!), type: 'never this', seq: 0 });
  }

  /** Creates a watcher at the start or at the position of another one. */
  #addWatcher(): void {
    const other = this.#random(2) === 0 ? this.watchers.at(-1) : undefined;
    const format =
      other?.format ?? (this.log.format === 'raw' ? pick(this.#random, ['raw', 'lines'] as const) : 'lines');
    const recorder = new RecordingSink(() => holder.blocked || holder.capacity-- <= 0);
    const watcher = new Watcher(this.log, recorder, {
      format,
      ...(other !== undefined && { from: other.watcher.position }),
      onEnd: () => {
        holder.ends++;
        holder.receivedAtEnd = recorder.received.length;
      },
      onError: (error) => {
        throw error;
      },
    });
    const before = other === undefined ? [] : [...other.skipped, ...other.sink.received];
    const holder: ModelWatcher = {
      format,
      sink: recorder,
      watcher,
      skipped: before,
      blocked: this.#random(2) === 0,
      capacity: this.#random(10),
      ends: 0,
      receivedAtEnd: 0,
    };
    this.watchers.push(holder);
    watcher.wake();
  }

  #unblock(holder: ModelWatcher, capacity: number): void {
    holder.blocked = false;
    holder.capacity = capacity;
    holder.watcher.wake();
  }

  /** Removes segments while some watchers are blocked, so that they later need removed lines. */
  async #removeSegments(): Promise<void> {
    for (const holder of this.watchers) holder.blocked = this.#random(3) > 0;
    await this.#disk?.unblock();
    this.#disk = undefined;
    await waitUntil('the log is on disk', () => this.log.written === this.log.position);
    const last = (await this.log.segments()).at(-1);
    if (last !== undefined) await this.log.dropSegments(last.number + this.#random(2));
  }

  async #toggleDisk(): Promise<void> {
    if (this.#disk === undefined) this.#disk = await blockDisk(this.#folder);
    else if (this.#random(2) === 0) {
      await this.#disk.unblock();
      this.#disk = undefined;
    }
  }
}
