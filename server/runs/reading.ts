// Stored lines of a run, from a cursor, for readers that come and go: HTTP and the command line.

import type { GapReason } from '../../protocol/messages.ts';
import { LogFiles } from './log/files.ts';
import { countLines } from './log/frames.ts';
import { newline } from './log/lines.ts';
import { readPage } from './log/page.ts';
import type { Position } from './log/position.ts';

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
  /** Longer lines of a terminal are cut into lines of this size. */
  readonly lineBytesMax: number;
  /** Of a run that has ended: how many lines its record says there were. */
  readonly lines?: number;
}

/** Throws when there is no log in `folder`. */
export async function readLines(folder: string, wish: LinesWish, facts: LogFacts): Promise<LinesPage> {
  const files = LogFiles.read(folder);
  try {
    return await read(files, wish, facts);
  } finally {
    await files.close();
  }
}

async function read(files: LogFiles, { after, limit, bytesMax }: LinesWish, facts: LogFacts): Promise<LinesPage> {
  const taken = { lines: [] as string[], bytes: 0 };
  const answer = (ended: boolean): LinesPage => ({ lines: taken.lines, next: after + taken.lines.length, ended });
  for await (const { bytes, line } of batches(files, await files.find(after), facts)) {
    for (const text of eachLine(bytes, after + taken.lines.length - line)) {
      const full = taken.lines.length === limit || (taken.lines.length > 0 && taken.bytes + text.length > bytesMax);
      if (full) return answer(false);
      taken.lines.push(text.toString('utf8'));
      taken.bytes += text.length;
    }
  }
  return answer(facts.ended);
}

/** How much a log that nobody writes any more holds. Throws when there is none. */
export async function measure(folder: string, lineBytesMax: number): Promise<Pick<Position, 'line' | 'byte'>> {
  const files = LogFiles.read(folder);
  try {
    const start = await files.find(Infinity);
    let lines = start.line;
    for await (const { bytes } of batches(files, start, { ended: true, lineBytesMax })) lines += countLines(bytes);
    return { line: lines, byte: (await files.sizes()).bytes };
  } finally {
    await files.close();
  }
}

interface Batch {
  /** Whole lines, each ended by `\n`. */
  readonly bytes: Buffer;
  /** Lines before these. */
  readonly line: number;
}

/** The lines from `start` on, as far as the files hold them now; events are left out. */
async function* batches(files: LogFiles, start: Position, { ended, lineBytesMax }: LogFacts): AsyncGenerator<Batch> {
  const { bytes } = await files.sizes();
  const until: Position = { line: Infinity, byte: bytes, seq: 0, eventByte: 0 };
  let from: Position = { ...start, seq: 0, eventByte: 0 };
  for (;;) {
    const items = await readPage(files, { from, until, shape: 'lines', lineBytesMax, final: ended });
    if (items.length === 0) return;
    for (const item of items) {
      if (item.type !== 'event') yield { bytes: Buffer.concat(item.pieces), line: item.start.line };
      from = item.end;
    }
  }
}

/** The lines of a batch behind the first `skip`, without terminators. */
function* eachLine(bytes: Buffer, skip: number): Generator<Buffer> {
  let seen = 0;
  for (let start = 0, end = bytes.indexOf(newline); end !== -1; start = end + 1, end = bytes.indexOf(newline, start)) {
    if (seen++ < skip) continue;
    yield bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
  }
}
