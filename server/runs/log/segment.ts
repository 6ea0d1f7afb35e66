// One segment of a log: its three files while they are open. Positions are those of the whole log.

import { mkdir } from 'node:fs/promises';
import { close, fstat, ftruncate, open, readAt, writeAll } from './file.ts';
import { decodeMark, encodeMarks, markBytes, origin, type Mark } from './mark.ts';
import type { Position } from './position.ts';
import { pathOf, unmake } from './segments.ts';

export interface Segment {
  readonly number: number;
  /** Where it begins; the first entry of its index. */
  readonly start: Mark;
}

export interface Owed {
  readonly lines: readonly Uint8Array[];
  readonly events: readonly Uint8Array[];
  readonly marks: readonly Mark[];
}

/** The ends of two of its files, as bytes of the whole log. */
export type Ends = Pick<Position, 'byte' | 'eventByte'>;

export class SegmentFiles {
  readonly start: Mark;
  readonly #index: number;
  readonly #events: number;
  readonly #lines: number;
  /** Of a log of an older version, whose index is not understood: it is read from its beginning. */
  readonly #marked: boolean;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor([index, events, lines]: readonly number[], start: Mark | undefined) {
    [this.#index, this.#events, this.#lines] = [index!, events!, lines!];
    this.#marked = start !== undefined;
    this.start = start ?? origin('lines', Infinity);
  }

  /** New files; the folder too, if there is none. Throws what the file system says, and leaves nothing then. */
  static async create(folder: string, { number, start }: Segment): Promise<SegmentFiles> {
    await mkdir(folder, { mode: 0o750 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    // First what says where it begins: from the moment there are lines, they have a place.
    const files = await openAll(folder, number, { flags: 'ax+', header: encodeMarks([start]) });
    return new SegmentFiles(files, start);
  }

  /** `a+` to go on writing. Throws when there is none. */
  static async open(folder: string, number: number, flags: 'r' | 'a+'): Promise<SegmentFiles> {
    const files = await openAll(folder, number, { flags });
    try {
      const start = decodeMark(await readAt(files[0]!, 0, markBytes));
      if (start === undefined && number > 0) throw new Error(`it is not known where segment ${number} of the log begins`);
      return new SegmentFiles(files, start);
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** The files stay open while `work` goes on. */
  during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new Error('the log is closed'));
    const going = work();
    this.#pending.add(going);
    return going.finally(() => this.#pending.delete(going));
  }

  /**
   * Events first and the index last: after a crash, whatever is said of a line is there if the line is, and the index points at nothing that
   * is not. One call at a time. Throws what the file system says.
   */
  async append({ lines, events, marks }: Owed): Promise<void> {
    await writeAll(this.#events, events);
    await writeAll(this.#lines, lines);
    if (marks.length > 0) await writeAll(this.#index, [encodeMarks(marks)]);
  }

  readLines(from: number, length: number): Promise<Buffer> {
    return readAt(this.#lines, from - this.start.place.byte, length);
  }

  readEvents(from: number, length: number): Promise<Buffer> {
    return readAt(this.#events, from - this.start.place.eventByte, length);
  }

  async ends(): Promise<Ends> {
    const [lines, events] = await Promise.all([fstat(this.#lines), fstat(this.#events)]);
    const { byte, eventByte } = this.start.place;
    return { byte: byte + lines.size, eventByte: eventByte + events.size };
  }

  /** The last mark of which `holds` is true, as it is of those before it. Where none is, the start. */
  async lastMark(holds: (mark: Mark) => boolean): Promise<Mark> {
    return (await this.#lastMark(holds)).mark;
  }

  /** Ends the files at `place`, and the index with its last mark that is not behind it. */
  async cut(place: Ends): Promise<void> {
    await ftruncate(this.#lines, place.byte - this.start.place.byte);
    await ftruncate(this.#events, place.eventByte - this.start.place.eventByte);
    if (!this.#marked) return;
    const { number } = await this.#lastMark((mark) => isWithin(mark, place));
    await ftruncate(this.#index, (number + 1) * markBytes);
  }

  /** Waits for what is under way: a number of a closed file may already be another file's. Safe twice; never rejects. */
  close(): Promise<void> {
    return (this.#closed ??= Promise.allSettled(this.#pending).then(() => closeAll([this.#index, this.#events, this.#lines])));
  }

  async #lastMark(holds: (mark: Mark) => boolean): Promise<{ mark: Mark; number: number }> {
    // After a power cut the index may have reached the disk before the lines.
    const ends = await this.ends();
    let best = { mark: this.start, number: 0 };
    let low = 1;
    let high = this.#marked ? Math.floor((await fstat(this.#index)).size / markBytes) : 0;
    while (low < high) {
      const number = (low + high) >>> 1;
      const mark = decodeMark(await readAt(this.#index, number * markBytes, markBytes));
      if (mark !== undefined && isWithin(mark, ends) && holds(mark)) {
        best = { mark, number };
        low = number + 1;
      } else {
        high = number;
      }
    }
    return best;
  }
}

/** Where a segment begins. Throws when there is none. */
export async function readStart(folder: string, number: number): Promise<Mark> {
  const files = await SegmentFiles.open(folder, number, 'r');
  await files.close();
  return files.start;
}

function isWithin({ place, source, shape }: Mark, ends: Ends): boolean {
  return (shape === 'raw' ? source.stdout : place.byte) <= ends.byte && place.eventByte <= ends.eventByte;
}

interface Opening {
  readonly flags: 'r' | 'a+' | 'ax+';
  readonly header?: Uint8Array;
}

/** Index, events, lines, in the order they are made. */
async function openAll(folder: string, number: number, { flags, header }: Opening): Promise<readonly number[]> {
  const opened: number[] = [];
  try {
    for (const kind of ['index', 'events', 'lines'] as const) {
      opened.push(await open(pathOf(folder, kind, number), flags, 0o640));
      if (kind === 'index' && header !== undefined) await writeAll(opened[0]!, [header]);
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    // Those that were there before are not ours to remove.
    if (flags === 'ax+' && (error as NodeJS.ErrnoException).code !== 'EEXIST') await unmake(folder, number);
    throw error;
  }
}

/** What was told to be written is written; a network file system may still complain when its file is closed, and that file is closed then too. */
async function closeAll(files: readonly number[]): Promise<void> {
  for (const file of files) await close(file).catch(() => undefined);
}
