// All segments of a log. Writes the last one and opens others for reading.

import type { GapEntry, WatcherEntry } from '../entry.ts';
import { comparePositions, type Position } from '../position.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Page, type PageRequest, readPage } from './read-page.ts';
import { readStart, type Segment, type SegmentEnds, SegmentFiles, type SegmentWrite } from './segment.ts';
import { removeSegment, segmentNumbers } from './segment-folder.ts';

/** Number of segments that stay open besides the one being written. Slow watchers mostly read the same ones. */
const openMax = 4;

const emptyPage: Page<never> = { entries: [], release: () => undefined };

export interface SegmentAppend extends SegmentWrite {
  readonly segment: Segment;
}

export class SegmentSet {
  readonly #folder: string;
  /** Numbers of the existing segments, oldest first. */
  #numbers: readonly number[];
  readonly #starts = new Map<number, Checkpoint>();
  readonly #open = new Map<number, Promise<SegmentFiles>>();
  #writing: number | undefined;

  /** `numbers` are the segments in the folder. Without any, the folder need not exist. */
  constructor(folder: string, numbers: readonly number[] = []) {
    this.#folder = folder;
    this.#numbers = numbers;
  }

  /** Finds the existing segments. A missing folder is an empty log. Opens no file yet. */
  static async load(folder: string): Promise<SegmentSet> {
    return new SegmentSet(folder, await segmentNumbers(folder));
  }

  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /**
   * Appends to the last segment, or to a new one after it. Only one call at a time. Rejects with the file-system error.
   */
  async append(batch: SegmentAppend): Promise<void> {
    const { segment } = batch;
    if (this.#writing !== segment.number) await this.#switchSegment(segment);
    return this.withSegment(segment.number, (files) => files.append(batch));
  }

  /**
   * Ends the log after a failed append, at the last of these positions that the files of the segment reach. Returns
   * that position; undefined if they reach none. No append may follow.
   */
  async truncateAfterFailure(segment: number, positions: readonly Position[]): Promise<Position | undefined> {
    // The segment could not be created, so the log ends before it.
    if (this.#writing !== segment) return positions[0];
    return this.withSegment(segment, async (files) => {
      const { byte, eventByte } = await files.ends();
      const last = positions.findLast((position) => position.byte <= byte && position.eventByte <= eventByte);
      if (last !== undefined) await files.truncate(last);
      return last;
    });
  }

  /** Truncates the last segment at a position. Nothing else may write the log. */
  async truncate(position: Position): Promise<void> {
    const last = this.#numbers.at(-1);
    if (last === undefined) return;
    const files = await SegmentFiles.open(this.#folder, last, 'a+');
    await files.whileOpen(() => files.truncate(position)).finally(() => files.close());
  }

  /**
   * Reads the next part of a log: entries of one segment, or the gap where segments were removed. The page is empty if
   * there is nothing before `until`.
   */
  page(request: PageRequest): Promise<Page<WatcherEntry>> {
    return this.retryAfterRemoval(() => this.#page(request));
  }

  /** Runs `work`. Runs it again if a segment that it needed was removed meanwhile. */
  async retryAfterRemoval<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const numbers = this.#numbers;
      try {
        return await work();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        if (numbers === this.#numbers && !(await this.#dropRemovedSegments())) throw error;
      }
    }
  }

  async #page(request: PageRequest): Promise<Page<WatcherEntry>> {
    const { from, until } = request;
    const number = await this.findSegment(({ position }) => isAtOrBefore(position, from));
    if (number === undefined) return comparePositions(from, until) < 0 ? gapPage(from, until) : emptyPage;
    const segmentStart = await this.start(number);
    if (!isAtOrBefore(segmentStart.position, from)) return gapPage(from, segmentStart.position);
    const end = await this.segmentEnd(number);
    const range =
      end === undefined || comparePositions(until, end) < 0
        ? { until, final: request.final }
        : { until: end, final: true };
    // Cut a terminal's lines where the log counted them, even if the limit has changed since.
    const lineBytesMax = segmentStart.format === 'raw' ? segmentStart.lineBytesMax : request.lineBytesMax;
    return this.withSegment(number, (files) => readPage(files, { ...request, ...range, lineBytesMax }));
  }

  /**
   * Returns the last segment whose start satisfies `holds`, which must be monotonic; the first segment if none does.
   * Undefined if there is no segment.
   */
  async findSegment(holds: (start: Checkpoint) => boolean): Promise<number | undefined> {
    const numbers = this.#numbers;
    let low = 1;
    for (let high = numbers.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (holds(await this.start(numbers[middle]!))) low = middle + 1;
      else high = middle;
    }
    return numbers[low - 1];
  }

  async start(number: number): Promise<Checkpoint> {
    const cached = this.#starts.get(number);
    if (cached !== undefined) return cached;
    const start = await readStart(this.#folder, number);
    this.#starts.set(number, start);
    return start;
  }

  /** Returns the start of the next segment; undefined if there is none. */
  async segmentEnd(number: number): Promise<Position | undefined> {
    const next = this.#numbers.find((other) => other > number);
    return next === undefined ? undefined : (await this.start(next)).position;
  }

  /** Returns the ends of the files of the last segment; undefined if there is no segment. */
  async lastSegmentEnds(): Promise<SegmentEnds | undefined> {
    const last = this.#numbers.at(-1);
    return last === undefined ? undefined : this.withSegment(last, (files) => files.ends());
  }

  /** Runs `work` with the open files of a segment and keeps them open meanwhile. */
  withSegment<T>(number: number, work: (files: SegmentFiles) => Promise<T>): Promise<T> {
    const files = this.#open.get(number) ?? this.#track(number, SegmentFiles.open(this.#folder, number, 'r'));
    // Register the work at once, before anything else can close the files.
    return files.then((opened) => opened.whileOpen(() => work(opened)));
  }

  /** Removes the segments before `below`, but never the last one. Returns the number of freed bytes. */
  async removeBefore(below: number): Promise<number> {
    const removed = this.#numbers.slice(0, -1).filter((number) => number < below);
    this.#numbers = this.#numbers.filter((number) => !removed.includes(number));
    let freed = 0;
    for (const number of removed) {
      this.#starts.delete(number);
      this.#closeSegment(number);
      freed += await removeSegment(this.#folder, number);
    }
    return freed;
  }

  /**
   * Closes all segments that are not being read now, and the others after their reads. Also closes the segment being
   * written if `all` is true. Idempotent.
   */
  close(all: boolean): void {
    if (all) this.#writing = undefined;
    for (const number of [...this.#open.keys()]) if (number !== this.#writing) this.#closeSegment(number);
  }

  async #switchSegment(segment: Segment): Promise<void> {
    const { number, start } = segment;
    const exists = this.#numbers.includes(number);
    // Watchers that still read the previous segment open it again.
    for (const old of [number, this.#writing]) if (old !== undefined) this.#closeSegment(old);
    // Set the number before the files are open: a watcher that leaves meanwhile closes all other segments.
    this.#writing = number;
    await this.#track(
      number,
      exists ? SegmentFiles.open(this.#folder, number, 'a+') : SegmentFiles.create(this.#folder, segment),
    ).catch((error: unknown) => {
      this.#writing = undefined;
      throw error;
    });
    this.#starts.set(number, start);
    if (!exists) this.#numbers = [...this.#numbers, number];
  }

  #track(number: number, opening: Promise<SegmentFiles>): Promise<SegmentFiles> {
    this.#open.set(number, opening);
    opening.catch(() => this.#open.get(number) === opening && this.#open.delete(number));
    const idle = [...this.#open.keys()].filter((other) => other !== this.#writing);
    for (const oldest of idle.slice(0, -openMax)) this.#closeSegment(oldest);
    return opening;
  }

  #closeSegment(number: number): void {
    const opening = this.#open.get(number);
    this.#open.delete(number);
    opening?.then(
      (files) => files.close(),
      () => undefined,
    );
  }

  /** Removes numbers of segments that another process has removed from the folder. Returns false if there are none. */
  async #dropRemovedSegments(): Promise<boolean> {
    const found = await segmentNumbers(this.#folder);
    const remaining = this.#numbers.filter((number) => found.includes(number));
    if (remaining.length === this.#numbers.length) return false;
    this.#numbers = remaining;
    return true;
  }
}

function gapPage(start: Position, end: Position): Page<GapEntry> {
  return { ...emptyPage, entries: [{ type: 'gap', start, end, reason: 'retention' }] };
}

function isAtOrBefore(start: Position, position: Position): boolean {
  return start.byte <= position.byte && start.eventByte <= position.eventByte;
}
