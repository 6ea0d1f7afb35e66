// The files of a log, whichever segment they are in: one segment is written, those that are read are opened when they are needed.

import type { GapItem, Told } from './item.ts';
import type { Mark } from './mark.ts';
import { readPage, type PageWish } from './page.ts';
import { compare, type Position } from './position.ts';
import { readStart, SegmentFiles, type Ends, type Owed, type Segment } from './segment.ts';
import { removeSegment, segmentNumbers } from './segments.ts';

/** Segments that are kept open beside the one that is written: watchers far behind mostly read the same ones. */
const openMax = 4;

export interface Batch extends Owed {
  readonly segment: Segment;
}

export class LogFiles {
  readonly #folder: string;
  /** Of the segments that are there, oldest first. */
  #numbers: readonly number[];
  readonly #starts = new Map<number, Mark>();
  readonly #open = new Map<number, Promise<SegmentFiles>>();
  #writing: number | undefined;

  /** `numbers` are those of the segments in the folder; it need not exist when there are none. */
  constructor(folder: string, numbers: readonly number[] = []) {
    this.#folder = folder;
    this.#numbers = numbers;
  }

  /** The files as they are now. No folder is an empty log. Opens nothing yet. */
  static async in(folder: string): Promise<LogFiles> {
    return new LogFiles(folder, await segmentNumbers(folder));
  }

  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /** Appends to the last segment, or to a new one behind it. One call at a time. Throws what the file system says. */
  async append(batch: Batch): Promise<void> {
    const { segment } = batch;
    if (this.#writing !== segment.number) await this.#turnTo(segment);
    return this.use(segment.number, (files) => files.append(batch));
  }

  /**
   * After an append that failed: the log is to end at the last of these places that the files of the segment reach, and that is given; undefined
   * when they reach none. No append may follow.
   */
  async cutBack(segment: number, places: readonly Position[]): Promise<Position | undefined> {
    // The segment itself could not be made.
    if (this.#writing !== segment) return places[0];
    return this.use(segment, async (files) => {
      const { byte, eventByte } = await files.ends();
      const last = places.findLast((place) => place.byte <= byte && place.eventByte <= eventByte);
      if (last !== undefined) await files.cut(last);
      return last;
    });
  }

  /** Ends a log that nobody writes at a place in its last segment. */
  async cut(place: Position): Promise<void> {
    const last = this.#numbers.at(-1);
    if (last === undefined) return;
    const files = await SegmentFiles.open(this.#folder, last, 'a+');
    await files.during(() => files.cut(place)).finally(() => files.close());
  }

  /** The next of a log from `wish.from` on: items of one segment, or the gap where its segments are gone. Empty when there is nothing before `wish.until`. */
  page(wish: PageWish): Promise<readonly Told[]> {
    return this.steadily(() => this.#page(wish));
  }

  /** Does `work`, and does it again when a segment that it wanted turns out to have been removed. */
  async steadily<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const numbers = this.#numbers;
      try {
        return await work();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        if (numbers === this.#numbers && !(await this.#hasLost())) throw error;
      }
    }
  }

  async #page(wish: PageWish): Promise<readonly Told[]> {
    const { from, until } = wish;
    const number = await this.numberAt(({ place }) => isAt(place, from));
    if (number === undefined) return compare(from, until) < 0 ? [gap(from, until)] : [];
    const start = await this.start(number);
    if (!isAt(start.place, from)) return [gap(from, start.place)];
    const end = await this.endOf(number);
    const reach = end === undefined || compare(until, end) < 0 ? { until, final: wish.final } : { until: end, final: true };
    // A terminal's lines are cut where they were counted, whatever the bound is by now.
    const lineBytesMax = start.shape === 'raw' ? start.lineBytesMax : wish.lineBytesMax;
    return this.use(number, (files) => readPage(files, { ...wish, ...reach, lineBytesMax }));
  }

  /** The last segment whose start `holds`, as it does for those before; the first one when it holds for none. Undefined when there is no segment. */
  async numberAt(holds: (start: Mark) => boolean): Promise<number | undefined> {
    const numbers = this.#numbers;
    let low = 1;
    for (let high = numbers.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (holds(await this.start(numbers[middle]!))) low = middle + 1;
      else high = middle;
    }
    return numbers[low - 1];
  }

  async start(number: number): Promise<Mark> {
    const known = this.#starts.get(number);
    if (known !== undefined) return known;
    const start = await readStart(this.#folder, number);
    this.#starts.set(number, start);
    return start;
  }

  /** Where the next segment begins; undefined when there is none. */
  async endOf(number: number): Promise<Position | undefined> {
    const next = this.#numbers.find((other) => other > number);
    return next === undefined ? undefined : (await this.start(next)).place;
  }

  /** Where the files of the last segment end. Undefined when there is none. */
  async ends(): Promise<Ends | undefined> {
    const last = this.#numbers.at(-1);
    return last === undefined ? undefined : this.use(last, (files) => files.ends());
  }

  /** The files of a segment stay open while `work` goes on. */
  use<T>(number: number, work: (files: SegmentFiles) => Promise<T>): Promise<T> {
    const files = this.#open.get(number) ?? this.#keep(number, SegmentFiles.open(this.#folder, number, 'r'));
    // Before anything else can be put behind it, such as being closed.
    return files.then((opened) => opened.during(() => work(opened)));
  }

  /** Removes the segments before `below`, but never the last one. Gives the bytes that were freed. */
  async drop(below: number): Promise<number> {
    const gone = this.#numbers.slice(0, -1).filter((number) => number < below);
    this.#numbers = this.#numbers.filter((number) => !gone.includes(number));
    let freed = 0;
    for (const number of gone) {
      this.#starts.delete(number);
      this.#letGo(number);
      freed += await removeSegment(this.#folder, number);
    }
    return freed;
  }

  /** Closes what nobody uses, and what is used when that is over; the segment that is written stays open, unless `all`. Safe at any time. */
  close(all: boolean): void {
    if (all) this.#writing = undefined;
    for (const number of [...this.#open.keys()]) if (number !== this.#writing) this.#letGo(number);
  }

  async #turnTo(segment: Segment): Promise<void> {
    const { number, start } = segment;
    const known = this.#numbers.includes(number);
    // Who still reads the one before opens it again.
    for (const old of [number, this.#writing]) if (old !== undefined) this.#letGo(old);
    // From now on: the last watcher may leave while the files are being opened, and that closes all others.
    this.#writing = number;
    await this.#keep(number, known ? SegmentFiles.open(this.#folder, number, 'a+') : SegmentFiles.create(this.#folder, segment)).catch((error: unknown) => {
      this.#writing = undefined;
      throw error;
    });
    this.#starts.set(number, start);
    if (!known) this.#numbers = [...this.#numbers, number];
  }

  #keep(number: number, opening: Promise<SegmentFiles>): Promise<SegmentFiles> {
    this.#open.set(number, opening);
    opening.catch(() => this.#open.get(number) === opening && this.#open.delete(number));
    const idle = [...this.#open.keys()].filter((other) => other !== this.#writing);
    for (const oldest of idle.slice(0, -openMax)) this.#letGo(oldest);
    return opening;
  }

  #letGo(number: number): void {
    const opening = this.#open.get(number);
    this.#open.delete(number);
    opening?.then((files) => files.close(), () => undefined);
  }

  /** Somebody else may have removed some. */
  async #hasLost(): Promise<boolean> {
    const found = await segmentNumbers(this.#folder);
    const left = this.#numbers.filter((number) => found.includes(number));
    if (left.length === this.#numbers.length) return false;
    this.#numbers = left;
    return true;
  }
}

function gap(start: Position, end: Position): GapItem {
  return { type: 'gap', start, end, reason: 'retention' };
}

function isAt(start: Position, place: Position): boolean {
  return start.byte <= place.byte && start.eventByte <= place.eventByte;
}
