// Ids of events: the number of the event, shifted at each start of the door, so that an id is never given twice although a crash may take back the
// last few numbers. They only grow.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** A start of the door: the events after the first `line` have ids that are `shift` larger than their numbers. */
interface Start {
  readonly line: number;
  readonly shift: number;
}

/** More than are ever owed to the disk. */
const stride = 1_000_000;
const startsMax = 1_000;

export class EventIds {
  /** Oldest first, never empty. */
  readonly #starts: readonly Start[];

  private constructor(starts: readonly Start[]) {
    this.#starts = starts;
  }

  /** Takes down, in `file`, that the door starts when there are `line` events. Throws what the file system says. */
  static begin(file: string, line: number): EventIds {
    const before = read(file);
    const last = before.at(-1);
    const starts = [...before, { line, shift: last === undefined ? 0 : last.shift + stride }].slice(-startsMax);
    writeFileSync(`${file}.new`, JSON.stringify(starts), { mode: 0o640 });
    renameSync(`${file}.new`, file);
    return new EventIds(starts);
  }

  /** Of the event with this number, from 1; 0 is the id before all. */
  idOf(number: number): number {
    if (number === 0) return 0;
    const start = this.#starts.findLast(({ line }) => line < number) ?? this.#starts[0]!;
    return number + start.shift;
  }

  /** How many events are known to whoever has seen `id`, of `count` that there are. */
  numberOf(id: number, count: number): number {
    const at = this.#starts.findLastIndex(({ line, shift }) => id > line + shift);
    const { shift } = this.#starts[at] ?? this.#starts[0]!;
    return Math.max(0, Math.min(id - shift, this.#starts[at + 1]?.line ?? count));
  }
}

/** What cannot be read counts as nothing: the ids begin anew. */
function read(file: string): readonly Start[] {
  try {
    const starts = JSON.parse(readFileSync(file, 'utf8')) as unknown;
    return Array.isArray(starts) ? starts.filter(isStart) : [];
  } catch {
    return [];
  }
}

function isStart(value: unknown): value is Start {
  const { line, shift } = (value ?? {}) as Partial<Start>;
  return Number.isSafeInteger(line) && Number.isSafeInteger(shift);
}
