// A log and its watchers as simple as they can be said, and a machine that drives the real ones at random beside it.

import { TextDecoder } from 'node:util';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import type { LogLimits, RunLog } from '../../../server/runs/log/log.ts';
import type { Shape } from '../../../server/runs/log/page.ts';
import { LineSplitter } from '../../../server/runs/log/splitter.ts';
import { Watcher } from '../../../server/runs/watcher.ts';
import { until } from '../../helpers/until.ts';
import { type Chance, holdDisk, type HeldDisk, newLog, Notebook, pick, someBytes } from '../kit.ts';

/** Text of lines, and events as a Notebook has them, in the order in which watchers of one shape are to be told them. No source is told twice in a row. */
export class Model {
  readonly #log: Shape;
  readonly #view: Shape;
  readonly #lineBytesMax: number;
  readonly #splitters = new Map<string, LineSplitter>();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly told: string[] = [];
  #source = 'stdout';
  #seq = 0;

  constructor(log: Shape, view: Shape, lineBytesMax: number) {
    this.#log = log;
    this.#view = view;
    this.#lineBytesMax = lineBytesMax;
  }

  write(stream: OutputStream, chunk: Uint8Array, job?: string): void {
    const source = sourceOf(stream, job);
    if (this.#log === 'lines') this.#tell(source, this.#splitter(source).push(chunk));
    else this.#text(this.#decoder.decode(chunk, { stream: true }));
  }

  end(stream: OutputStream, job?: string): void {
    const source = sourceOf(stream, job);
    this.#tell(source, this.#splitter(source).flush());
    if (job !== undefined) this.#splitters.delete(source);
  }

  emit(type: string): void {
    this.told.push(`#${type} ${++this.#seq}`);
  }

  close(): void {
    if (this.#log === 'raw') this.#text(this.#decoder.decode());
    this.end('stdout');
    this.end('stderr');
    for (const [source, splitter] of this.#splitters) this.#tell(source, splitter.flush());
  }

  #splitter(source: string): LineSplitter {
    const known = this.#splitters.get(source) ?? new LineSplitter(this.#lineBytesMax);
    this.#splitters.set(source, known);
    return known;
  }

  #text(text: string): void {
    if (this.#view === 'raw') this.told.push(text);
    else this.#tell('stdout', this.#splitter('stdout').push(Buffer.from(text)));
  }

  #tell(source: string, regions: ReturnType<LineSplitter['push']>): void {
    for (const { pieces, cut, unterminated } of regions) {
      if (source !== this.#source) this.emit(`stream:${source}`);
      this.#source = source;
      const lines = Buffer.concat(pieces).toString('utf8').split('\n').slice(0, -1);
      this.told.push(...lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)));
      if (this.#log === 'lines' && cut) this.emit('cut');
      if (this.#log === 'lines' && unterminated) this.emit('unterminated');
    }
  }
}

function sourceOf(stream: OutputStream, job: string | undefined): string {
  return job === undefined ? stream : `${stream}:${job}`;
}

/** Of everything that is told from the beginning on: without the events that tell a source again. Throws when an event is missing, or out of its order. */
export function withoutRepeats(told: readonly string[]): string[] {
  let source = 'stdout';
  let seq = 0;
  let repeats = 0;
  return told.flatMap((text) => {
    const [, type, number] = /^#(\S+) (\d+)$/.exec(text) ?? [];
    if (type === undefined) return [text];
    seq += 1;
    if (Number(number) !== seq) throw new Error(`${text} is no event ${seq}`);
    const said = /^stream:(.+)$/.exec(type)?.[1];
    if (said === source) {
      repeats += 1;
      return [];
    }
    source = said ?? source;
    return [`#${type} ${seq - repeats}`];
  });
}

/** Chunks of a terminal may be told in other pieces than they came. */
export function normal(told: readonly string[], shape: Shape): string[] {
  if (shape === 'lines') return [...told];
  const merged: string[] = [];
  for (const text of told) {
    const last = merged.at(-1);
    if (last !== undefined && !text.startsWith('#') && !last.startsWith('#')) merged[merged.length - 1] = last + text;
    else if (text !== '') merged.push(text);
  }
  return merged;
}

interface Seat {
  readonly shape: Shape;
  readonly notebook: Notebook;
  readonly watcher: Watcher;
  /** What it was not to be told: it began behind that. */
  readonly before: readonly string[];
  blocked: boolean;
  /** Items until it is full by itself. */
  room: number;
  ends: number;
  toldAtEnd: number;
}

/** One log with many watchers, driven at random. */
export class Theatre {
  readonly log: RunLog;
  readonly seats: Seat[] = [];
  readonly #rnd: Chance;
  readonly #folder: string;
  /** Old segments are removed now and then. */
  readonly #retention: boolean;
  readonly #models: Record<Shape, Model>;
  #disk: HeldDisk | undefined;

  constructor(folder: string, rnd: Chance, { shape, retention }: { readonly shape: Shape; readonly retention: boolean }) {
    const limits: LogLimits = { lineBytesMax: pick(rnd, [64, 300, 1 << 20]), tailBytesMax: pick(rnd, [0, 200, 20_000, 1 << 20]), owedBytesMax: 1 << 16, segmentBytesMax: pick(rnd, [300, 5000, 1 << 26]), outputBytesMax: 0 };
    this.log = newLog(folder, shape, limits);
    this.#rnd = rnd;
    this.#folder = folder;
    this.#retention = retention;
    this.#models = { lines: new Model(shape, 'lines', limits.lineBytesMax), raw: new Model(shape, 'raw', limits.lineBytesMax) };
  }

  async play(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) await this.#step();
    for (const model of Object.values(this.#models)) model.close();
    const closed = this.log.close();
    this.log.write('stdout', Buffer.from('too late\n'));
    this.log.emit('too-late');
    await this.#disk?.letGo();
    if (this.#rnd(2) === 0) this.#sit();
    await closed;
    this.#sit();
    for (const seat of this.seats) this.#free(seat, Infinity);
    await until('all have been told the end', () => this.seats.every(({ ends }) => ends > 0));
  }

  expected({ shape }: Seat): string[] {
    return normal(this.#models[shape].told, shape);
  }

  async #step(): Promise<void> {
    switch (this.#rnd(this.#retention ? 10 : 9)) {
      case 0: case 1: case 2: return this.#write();
      case 3: return this.#emit();
      case 4: return this.seats.length < 8 ? this.#sit() : undefined;
      case 5: for (const seat of this.seats) this.#free(seat, this.#rnd(6)); return;
      case 6: for (const seat of this.seats) seat.blocked = this.#rnd(2) === 0; return;
      case 7: return this.#turnDisk();
      case 8: return new Promise((resolve) => setImmediate(resolve));
      default: return void (await this.#forget());
    }
  }

  #write(): void {
    const lines = this.log.shape === 'lines';
    const stream = lines && this.#rnd(3) === 0 ? 'stderr' : 'stdout';
    const job = lines && this.#rnd(2) === 0 ? pick(this.#rnd, ['a', 'b']) : undefined;
    const place = job === undefined ? this.log : this.log.part(job);
    const bytes = someBytes(this.#rnd, 1 + this.#rnd(this.#rnd(20) === 0 ? 3000 : 60));
    for (const model of Object.values(this.#models)) model.write(stream, bytes, job);
    place.write(stream, bytes);
    if (!lines || this.#rnd(8) > 0) return;
    for (const model of Object.values(this.#models)) model.end(stream, job);
    place.endStream(stream);
  }

  #emit(): void {
    const type = pick(this.#rnd, ['small', 'large', 'huge']);
    for (const model of Object.values(this.#models)) model.emit(type);
    const sizes: Readonly<Record<string, number>> = { small: 1, large: 30_000, huge: 100_000 };
    this.log.emit(type, { text: 'e'.repeat(sizes[type]!), type: 'never this', seq: 0 });
  }

  /** A new watcher: from the start, or from where another one is. */
  #sit(): void {
    const other = this.#rnd(2) === 0 ? this.seats.at(-1) : undefined;
    const shape = other?.shape ?? (this.log.shape === 'raw' ? pick(this.#rnd, ['raw', 'lines'] as const) : 'lines');
    const notebook = new Notebook(() => seat.blocked || seat.room-- <= 0);
    const watcher = new Watcher(this.log, notebook, {
      shape, ...(other !== undefined && { from: other.watcher.position }),
      onEnd: () => { seat.ends++; seat.toldAtEnd = notebook.told.length; },
      onError: (error) => { throw error; },
    });
    const before = other === undefined ? [] : [...other.before, ...other.notebook.told];
    const seat: Seat = { shape, notebook, watcher, before, blocked: this.#rnd(2) === 0, room: this.#rnd(10), ends: 0, toldAtEnd: 0 };
    this.seats.push(seat);
    watcher.wake();
  }

  #free(seat: Seat, room: number): void {
    seat.blocked = false;
    seat.room = room;
    seat.watcher.wake();
  }

  /** Nobody is told anything meanwhile, so that some want what is removed. */
  async #forget(): Promise<void> {
    for (const seat of this.seats) seat.blocked = this.#rnd(3) > 0;
    await this.#disk?.letGo();
    this.#disk = undefined;
    await until('all is written', () => this.log.written === this.log.position);
    const last = (await this.log.segments()).at(-1);
    if (last !== undefined) await this.log.dropSegments(last.number + this.#rnd(2));
  }

  async #turnDisk(): Promise<void> {
    if (this.#disk === undefined) this.#disk = await holdDisk(this.#folder);
    else if (this.#rnd(2) === 0) {
      await this.#disk.letGo();
      this.#disk = undefined;
    }
  }
}
