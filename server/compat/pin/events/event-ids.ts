// Ids of events: the number of the event, shifted at each start of the gateway. After a crash the last numbers can
// occur again, but an id never does. Ids only increase.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** One start of the gateway. The ids of events after the first `line` ones are their numbers plus `shift`. */
interface Start {
  readonly line: number;
  readonly shift: number;
}

/** Shift per start: more than the number of events that can be pending. */
const stride = 1_000_000;
const startsMax = 1_000;

export class EventIds {
  /** Oldest first, never empty. */
  readonly #starts: readonly Start[];

  private constructor(starts: readonly Start[]) {
    this.#starts = starts;
  }

  /** Records in `file` that the gateway starts with `line` stored events. Throws the file-system error. */
  static start(file: string, line: number): EventIds {
    const before = readStarts(file);
    const last = before.at(-1);
    const starts = [...before, { line, shift: last === undefined ? 0 : last.shift + stride }].slice(-startsMax);
    writeFileSync(`${file}.new`, JSON.stringify(starts), { mode: 0o640 });
    renameSync(`${file}.new`, file);
    return new EventIds(starts);
  }

  /** Returns the id of the event with this number, counted from 1. Returns 0, the position before all events, for 0. */
  toId(number: number): number {
    if (number === 0) return 0;
    const start = this.#starts.findLast(({ line }) => line < number) ?? this.#starts[0]!;
    return number + start.shift;
  }

  /** Returns how many of `count` events a client has received if the last one has the id `id`. */
  toNumber(id: number, count: number): number {
    const at = this.#starts.findLastIndex((start) => id > start.line + start.shift);
    const { shift } = this.#starts[at] ?? this.#starts[0]!;
    return Math.max(0, Math.min(id - shift, this.#starts[at + 1]?.line ?? count));
  }
}

/** Returns an empty list for a file that cannot be read; the ids then start again without a shift. */
function readStarts(file: string): readonly Start[] {
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
