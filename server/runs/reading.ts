// Stored lines of a run, from a cursor, for readers that come and go: HTTP and the command line.

import type { OutputStream } from '../../calls/contract/ports.ts';
import type { GapReason } from '../../protocol/messages.ts';
import { LogFiles } from './log/files.ts';
import type { Item } from './log/item.ts';
import { newline } from './log/lines.ts';
import { locate } from './log/locate.ts';
import { readPage } from './log/page.ts';
import type { Position } from './log/position.ts';
import { survey, wholeEnd } from './log/recover.ts';
import { isPlain } from './log/sources.ts';

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
  /** Where these lines come from: each entry holds from line number `from` to the next one. Before the first, and where there is none, it is plain stdout. */
  readonly sources?: readonly LineSource[];
  /** What was asked for and is not there any more, both ends included; the lines are those after it. */
  readonly gap?: { readonly from: number; readonly to: number; readonly reason: GapReason };
  /** The cursor after these lines. */
  readonly next: number;
  /** No line will come after these. */
  readonly ended: boolean;
}

export interface LineSource {
  readonly from: number;
  readonly stream: OutputStream;
  /** The part of the run; absent: the run itself. */
  readonly job?: string;
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
  const sources: LineSource[] = [];
  const answer = (ended: boolean): LinesPage => {
    const next = after + taken.lines.length;
    // What is said of a line that is not given is said with that line.
    const given = sources.filter(({ from }) => from <= next);
    return { lines: taken.lines, ...(given.length > 0 && { sources: given }), ...(wish.after < lost && { gap: { from: wish.after + 1, to: lost, reason: 'retention' } }), next, ended };
  };
  for await (const batch of batches(files, after, facts.ended)) {
    if ('json' in batch) {
      turn(sources, batch.json, after + taken.lines.length + 1);
      continue;
    }
    for (const text of eachLine(batch)) {
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

interface Turned {
  readonly json: Uint8Array;
}

/** Line `from` and those after it come from where the event says. */
function turn(sources: LineSource[], json: Uint8Array, from: number): void {
  const { type, stream, job } = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8')) as { type: string; stream: OutputStream; job?: string };
  if (type !== 'stream') return;
  // A turn that no line followed counts for nothing.
  if (sources.at(-1)?.from === from) sources.pop();
  const before = sources.at(-1);
  const again = before === undefined ? isPlain({ stream, ...(job !== undefined && { job }) }) : before.stream === stream && before.job === job;
  if (!again) sources.push({ from, stream, ...(job !== undefined && { job }) });
}

/**
 * The lines behind the first `after`, as far as the files hold them now: whole ones together, each ended by `\n`; and the events between them, with the one before them
 * that says where they come from.
 */
async function* batches(files: LogFiles, after: number, final: boolean): AsyncGenerator<Buffer | Turned> {
  const ends = await files.ends();
  if (ends === undefined) return;
  const until: Position = { line: Infinity, seq: Infinity, ...ends };
  const found = await locate(files, { after, seq: 0, shape: 'lines', until });
  if (found.told !== undefined) yield { json: found.told };
  let from = found.place;
  for (;;) {
    const number = await files.numberAt(({ place, shape }) => place.byte <= from.byte && (shape === 'raw' || place.eventByte <= from.eventByte));
    const items = await pageIn(files, number!, { from, until, final });
    if (items.length === 0) return;
    for (const item of items) {
      if (item.type === 'event') yield item;
      else yield Buffer.concat(item.pieces);
      from = item.end;
    }
  }
}

async function pageIn(files: LogFiles, number: number, { from, until, final }: { from: Position; until: Position; final: boolean }): Promise<readonly Item[]> {
  const { shape, lineBytesMax, place: { eventByte } } = await files.start(number);
  const end = await files.endOf(number);
  const raw = shape === 'raw';
  // A terminal's events say nothing of its lines, and none are read.
  const events = raw && { eventByte };
  return files.use(number, (segment) => readPage(segment, {
    from: { ...from, ...events }, until: { ...(end ?? until), ...events }, shape: 'lines',
    lineBytesMax: raw ? lineBytesMax : Infinity, final: final || end !== undefined,
  }));
}

/** The lines of a batch, without terminators. */
function* eachLine(bytes: Buffer): Generator<Buffer> {
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    yield bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
  }
}
