// The three open files of one segment. All positions are those of the whole log.

import { mkdir } from 'node:fs/promises';
import type { Position } from '../position.ts';
import {
  type Checkpoint,
  checkpointBytes,
  decodeCheckpoint,
  encodeCheckpoints,
  initialCheckpoint,
} from './checkpoint.ts';
import { close, fstat, ftruncate, open, readAt, writeAll } from './file-io.ts';
import { rollbackSegment, segmentPath } from './segment-folder.ts';

export interface Segment {
  readonly number: number;
  /** Where the segment begins in the log. It is the first record of the index. */
  readonly start: Checkpoint;
}

export interface SegmentWrite {
  readonly lines: readonly Uint8Array[];
  readonly events: readonly Uint8Array[];
  readonly checkpoints: readonly Checkpoint[];
}

/** Ends of the files `lines` and `events`, as positions of the whole log. */
export type SegmentEnds = Pick<Position, 'byte' | 'eventByte'>;

export class SegmentFiles {
  readonly start: Checkpoint;
  readonly #index: number;
  readonly #events: number;
  readonly #lines: number;
  /** False for a log of an older version with another index format. Such a log is read from its beginning. */
  readonly #hasCheckpoints: boolean;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor([index, events, lines]: readonly number[], start: Checkpoint | undefined) {
    [this.#index, this.#events, this.#lines] = [index!, events!, lines!];
    this.#hasCheckpoints = start !== undefined;
    this.start = start ?? initialCheckpoint('lines', Infinity);
  }

  /**
   * Creates the files, and the folder if needed. If that fails, removes them again and rejects with the file-system
   * error.
   */
  static async create(folder: string, { number, start }: Segment): Promise<SegmentFiles> {
    await mkdir(folder, { mode: 0o750 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    // Create the index first, so that a segment with a `lines` file always has its start position.
    const files = await openAll(folder, number, { flags: 'ax+', header: encodeCheckpoints([start]) });
    return new SegmentFiles(files, start);
  }

  /** Opens the files; with `a+`, they can be continued. Rejects if the segment does not exist. */
  static async open(folder: string, number: number, flags: 'r' | 'a+'): Promise<SegmentFiles> {
    const files = await openAll(folder, number, { flags });
    try {
      const start = decodeCheckpoint(await readAt(files[0]!, 0, Buffer.allocUnsafe(checkpointBytes)));
      if (start === undefined && number > 0)
        throw new Error(`the index of segment ${number} is damaged: it does not contain the start of the segment`);
      return new SegmentFiles(files, start);
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** Runs `work` and keeps the files open meanwhile. */
  whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new Error('the log is closed'));
    const pending = work();
    this.#pending.add(pending);
    return pending.finally(() => this.#pending.delete(pending));
  }

  /**
   * Writes events first and the index last. After a crash, every line therefore has its events, and the index refers
   * only to existing data. Only one call at a time. Rejects with the file-system error.
   */
  async append({ lines, events, checkpoints }: SegmentWrite): Promise<void> {
    await writeAll(this.#events, events);
    await writeAll(this.#lines, lines);
    if (checkpoints.length > 0) await writeAll(this.#index, [encodeCheckpoints(checkpoints)]);
  }

  readLines(from: number, into: Buffer): Promise<Buffer> {
    return readAt(this.#lines, from - this.start.position.byte, into);
  }

  readEvents(from: number, into: Buffer): Promise<Buffer> {
    return readAt(this.#events, from - this.start.position.eventByte, into);
  }

  async ends(): Promise<SegmentEnds> {
    const [lines, events] = await Promise.all([fstat(this.#lines), fstat(this.#events)]);
    const { byte, eventByte } = this.start.position;
    return { byte: byte + lines.size, eventByte: eventByte + events.size };
  }

  /**
   * Returns the last checkpoint that satisfies `holds`, which must be monotonic; the start of the segment if none does.
   */
  async lastCheckpoint(holds: (checkpoint: Checkpoint) => boolean): Promise<Checkpoint> {
    return (await this.#findLastCheckpoint(holds)).checkpoint;
  }

  /** Truncates the files at `position`, and the index after the last checkpoint up to `position`. */
  async truncate(position: SegmentEnds): Promise<void> {
    await ftruncate(this.#lines, position.byte - this.start.position.byte);
    await ftruncate(this.#events, position.eventByte - this.start.position.eventByte);
    if (!this.#hasCheckpoints) return;
    const { number } = await this.#findLastCheckpoint((checkpoint) => isWithin(checkpoint, position));
    await ftruncate(this.#index, (number + 1) * checkpointBytes);
  }

  /**
   * Closes the files after all pending work, which could otherwise use a descriptor that already belongs to another
   * file. Idempotent; never rejects.
   */
  close(): Promise<void> {
    return (this.#closed ??= Promise.allSettled(this.#pending).then(() =>
      closeAll([this.#index, this.#events, this.#lines]),
    ));
  }

  async #findLastCheckpoint(
    holds: (checkpoint: Checkpoint) => boolean,
  ): Promise<{ checkpoint: Checkpoint; number: number }> {
    // Ignore checkpoints beyond the ends of the files: after a power failure, the index may contain checkpoints of
    // lines that are not on disk.
    const ends = await this.ends();
    let best = { checkpoint: this.start, number: 0 };
    let low = 1;
    let high = this.#hasCheckpoints ? Math.floor((await fstat(this.#index)).size / checkpointBytes) : 0;
    while (low < high) {
      const number = (low + high) >>> 1;
      const checkpoint = decodeCheckpoint(
        await readAt(this.#index, number * checkpointBytes, Buffer.allocUnsafe(checkpointBytes)),
      );
      if (checkpoint !== undefined && isWithin(checkpoint, ends) && holds(checkpoint)) {
        best = { checkpoint, number };
        low = number + 1;
      } else {
        high = number;
      }
    }
    return best;
  }
}

/** Reads the start of a segment. Rejects if the segment does not exist. */
export async function readStart(folder: string, number: number): Promise<Checkpoint> {
  const files = await SegmentFiles.open(folder, number, 'r');
  await files.close();
  return files.start;
}

function isWithin({ position, source, format }: Checkpoint, ends: SegmentEnds): boolean {
  return (format === 'raw' ? source.stdout : position.byte) <= ends.byte && position.eventByte <= ends.eventByte;
}

interface OpenOptions {
  readonly flags: 'r' | 'a+' | 'ax+';
  readonly header?: Uint8Array;
}

/** Opens index, events and lines, in the order in which they are created. */
async function openAll(folder: string, number: number, { flags, header }: OpenOptions): Promise<readonly number[]> {
  const opened: number[] = [];
  try {
    for (const kind of ['index', 'events', 'lines'] as const) {
      opened.push(await open(segmentPath(folder, kind, number), flags, 0o640));
      if (kind === 'index' && header !== undefined) await writeAll(opened[0]!, [header]);
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    // Keep files that existed before this call.
    if (flags === 'ax+' && (error as NodeJS.ErrnoException).code !== 'EEXIST') await rollbackSegment(folder, number);
    throw error;
  }
}

/**
 * Ignores errors, because all data is already written. A network file system may report an error here, but it closes
 * the file nevertheless.
 */
async function closeAll(files: readonly number[]): Promise<void> {
  for (const file of files) await close(file).catch(() => undefined);
}
