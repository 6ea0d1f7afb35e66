// Stored lines of a run, from a cursor, for readers that come and go: HTTP and the command line.

import type { GapReason } from '../../protocol/messages.ts';
import { LogFiles } from './log/files.ts';
import { newline } from './log/lines.ts';
import { locate } from './log/locate.ts';
import { readPage } from './log/page.ts';
import type { Position } from './log/position.ts';
import { survey, wholeEnd } from './log/recover.ts';

export interface LinesWish {
  /** Number of lines already seen. */
  readonly after: number;
  readonly limit: number;
  /** Fewer lines than `limit` are given when these are longer, but one at least. */
  readonly bytesMax: number;
}

export interface LinesPage {
  /** Without terminators, broken UTF-8 repaired. */
  readonly lines: readonly string[];
  /** What was asked for and is not there any more, both ends included; the lines are those after it. */
  readonly gap?: { readonly from: number; readonly to: number; readonly reason: GapReason };
  /** The cursor after these lines. */
  readonly next: number;
  /** No line will come after these. */
  readonly ended: boolean;
}

/** What is known of the log beside its files. */
export interface LogFacts {
  /** Nothing will be appended any more. */
  readonly ended: boolean;
  /** Of a run that has ended: how many lines its record says there were. */
  readonly lines?: number;
}

/** No folder is a log without output, or, where the record knows better, one that was removed. Throws when the log cannot be read. */
export function readLines(folder: string, wish: LinesWish, facts: LogFacts): Promise<LinesPage> {
  return reading(folder, (files) => read(files, wish, facts));
}

/** How much a log holds that nobody writes any more; undefined when there is none. Throws when it cannot be read. */
export function measure(folder: string): Promise<Pick<Position, 'line' | 'byte'> | undefined> {
  return reading(folder, async (files) => {
    if (files.numbers.length === 0) return undefined;
    const { line, byte } = wholeEnd(await survey(files, { shape: 'lines', lineBytesMax: Infinity }));
    return { line, byte };
  });
}

async function reading<T>(folder: string, work: (files: LogFiles) => Promise<T>): Promise<T> {
  const files = await LogFiles.in(folder);
  try {
    // Retention may remove what is being read.
    return await files.steadily(() => work(files));
  } finally {
    files.close(true);
  }
}

async function read(files: LogFiles, wish: LinesWish, facts: LogFacts): Promise<LinesPage> {
  const lost = await lostLines(files, facts);
  const after = Math.max(wish.after, lost);
  const taken = { lines: [] as string[], bytes: 0 };
  const answer = (ended: boolean): LinesPage => ({
    lines: taken.lines, ...(wish.after < lost && { gap: { from: wish.after + 1, to: lost, reason: 'retention' } }), next: after + taken.lines.length, ended,
  });
  for await (const bytes of batches(files, after, facts.ended)) {
    for (const text of eachLine(bytes)) {
      const full = taken.lines.length === wish.limit || (taken.lines.length > 0 && taken.bytes + text.length > wish.bytesMax);
      if (full) return answer(false);
      taken.lines.push(text.toString('utf8'));
      taken.bytes += text.length;
    }
  }
  return answer(facts.ended);
}

/** Lines at the beginning that are not there any more. */
async function lostLines(files: LogFiles, { ended, lines }: LogFacts): Promise<number> {
  const first = files.numbers[0];
  if (first !== undefined) return (await files.start(first)).place.line;
  return ended ? lines ?? 0 : 0;
}

/** The lines behind the first `after`, as far as the files hold them now: whole ones together, each ended by `\n`. Events are left out. */
async function* batches(files: LogFiles, after: number, final: boolean): AsyncGenerator<Buffer> {
  const ends = await files.ends();
  if (ends === undefined) return;
  const until: Position = { line: Infinity, seq: Infinity, ...ends };
  let from = await locate(files, { after, seq: 0, shape: 'lines', until });
  for (;;) {
    const number = await files.numberAt(({ place }) => place.byte <= from.byte);
    const items = await pageIn(files, number!, { from, until, final });
    if (items.length === 0) return;
    for (const item of items) {
      if (item.type === 'lines') yield Buffer.concat(item.pieces);
      from = item.end;
    }
  }
}

async function pageIn(files: LogFiles, number: number, { from, until, final }: { from: Position; until: Position; final: boolean }) {
  const { shape, lineBytesMax, place } = await files.start(number);
  const end = await files.endOf(number);
  // Events come after no line, and none are read.
  const { eventByte } = place;
  return files.use(number, (segment) => readPage(segment, {
    from: { ...from, eventByte }, until: { ...(end ?? until), eventByte }, shape: 'lines',
    lineBytesMax: shape === 'raw' ? lineBytesMax : Infinity, final: final || end !== undefined,
  }));
}

/** The lines of a batch, without terminators. */
function* eachLine(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    yield bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
  }
}
