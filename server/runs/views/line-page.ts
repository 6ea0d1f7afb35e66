// Reads pages of stored lines from a cursor, for HTTP and the command line.

import type { GapReason } from '../../../protocol/messages.ts';
import { eachLine } from '../log/entry.ts';
import type { Position } from '../log/position.ts';
import { locate } from '../log/storage/locate.ts';
import { type Page, readPage } from '../log/storage/read-page.ts';
import { endIncludingPartialLine, scanLog } from '../log/storage/recover.ts';
import { SegmentSet } from '../log/storage/segment-set.ts';
import { isDefaultSource, isSameSource, readSource, type SourceName } from '../log/text/output-sources.ts';

export interface LinesQuery {
  /** Number of lines that the client already has. */
  readonly after: number;
  readonly limit: number;
  /** Limits the size of the lines that are read. A page reads at least one line, even if that is longer. */
  readonly bytesMax: number;
  /** True: also returns the lines of services. Default: false. */
  readonly services?: boolean;
}

export interface LinesPage {
  /** Lines without terminators, with invalid UTF-8 replaced. */
  readonly lines: readonly string[];
  /**
   * Sources of the lines. Each entry applies from line number `from` until the next entry. Lines before the first entry
   * are plain stdout.
   */
  readonly sources?: readonly LineSource[];
  /** Ranges of lines of services that were left out, both ends included. Absent if none were. */
  readonly omitted?: readonly LineRange[];
  /** Range of requested lines that no longer exist, both ends included. The returned lines follow it. */
  readonly gap?: { readonly from: number; readonly to: number; readonly reason: GapReason };
  /** The cursor after these lines. */
  readonly next: number;
  /** True if the run has ended and no more lines follow. */
  readonly ended: boolean;
}

export interface LineSource extends SourceName {
  readonly from: number;
}

export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** Facts about the log that its files do not contain. */
export interface LogInfo {
  /** True if nothing more will be appended. */
  readonly ended: boolean;
  /** Number of lines in the record of an ended run. */
  readonly lines?: number;
}

/**
 * Reads a page. A missing folder is an empty log; lines that the record counts are then reported as removed. Rejects if
 * the log cannot be read.
 */
export function readLines(folder: string, query: LinesQuery, facts: LogInfo): Promise<LinesPage> {
  return withSegments(folder, (files) => readPageOfLines(files, query, facts));
}

/** Returns the size of a log that is not being written; undefined if there is none. Rejects if it cannot be read. */
export function measureLog(folder: string): Promise<Pick<Position, 'line' | 'byte'> | undefined> {
  return withSegments(folder, async (files) => {
    if (files.numbers.length === 0) return undefined;
    const { line, byte } = endIncludingPartialLine(await scanLog(files, { format: 'lines', lineBytesMax: Infinity }));
    return { line, byte };
  });
}

async function withSegments<T>(folder: string, work: (files: SegmentSet) => Promise<T>): Promise<T> {
  const files = await SegmentSet.load(folder);
  try {
    // Retry, because retention may remove segments meanwhile.
    return await files.retryAfterRemoval(() => work(files));
  } finally {
    files.close(true);
  }
}

async function readPageOfLines(files: SegmentSet, query: LinesQuery, facts: LogInfo): Promise<LinesPage> {
  const removedLines = await countRemovedLines(files, facts);
  const after = Math.max(query.after, removedLines);
  const collector = new PageCollector(after, query);
  const createPage = (ended: boolean): LinesPage => ({
    ...collector.result(),
    ...(query.after < removedLines && { gap: { from: query.after + 1, to: removedLines, reason: 'retention' } }),
    ended,
  });
  for await (const batch of readBatches(files, after, facts.ended)) {
    if ('json' in batch) {
      const source = readSource(batch.json);
      if (source !== undefined) collector.changeSource(source);
      continue;
    }
    for (const text of eachLine(batch)) if (!collector.add(text)) return createPage(false);
  }
  return createPage(facts.ended);
}

/** Collects the lines of a page with their sources. */
class PageCollector {
  readonly #query: LinesQuery;
  readonly #lines: string[] = [];
  readonly #sources: LineSource[] = [];
  readonly #omitted: { from: number; to: number }[] = [];
  #bytes = 0;
  /** Number of the last line that was added or left out. */
  #line: number;
  #isOmitting = false;

  constructor(after: number, query: LinesQuery) {
    this.#line = after;
    this.#query = query;
  }

  /** Sets the source of the following lines. */
  changeSource(source: SourceName): void {
    this.#isOmitting = source.service !== undefined && this.#query.services !== true;
    if (this.#isOmitting) return;
    const from = this.#line + 1;
    // If no line follows a change of source, the next change replaces it.
    if (this.#sources.at(-1)?.from === from) this.#sources.pop();
    const before = this.#sources.at(-1);
    const isUnchanged = before === undefined ? isDefaultSource(source) : isSameSource(before, source);
    if (!isUnchanged) this.#sources.push({ from, ...source });
  }

  /** Adds a line, or leaves it out if its source is hidden. Returns false if the page is full. */
  add(text: Buffer): boolean {
    // Lines that are left out count towards `bytesMax`, because they take as much time.
    const isFirst = this.#lines.length === 0 && this.#omitted.length === 0;
    if (!isFirst && this.#bytes + text.length > this.#query.bytesMax) return false;
    if (!this.#isOmitting && this.#lines.length === this.#query.limit) return false;
    this.#line++;
    this.#bytes += text.length;
    if (this.#isOmitting) this.#omit(this.#line);
    else this.#lines.push(text.toString('utf8'));
    return true;
  }

  result(): Pick<LinesPage, 'lines' | 'sources' | 'omitted' | 'next'> {
    // Omit a source whose lines are not on this page.
    const sources = this.#sources.filter(({ from }) => from <= this.#line);
    return {
      lines: this.#lines,
      ...(sources.length > 0 && { sources }),
      ...(this.#omitted.length > 0 && { omitted: this.#omitted }),
      next: this.#line,
    };
  }

  #omit(line: number): void {
    const last = this.#omitted.at(-1);
    if (last?.to === line - 1) last.to = line;
    else this.#omitted.push({ from: line, to: line });
  }
}

/** Returns the number of lines that were removed from the beginning of the log. */
async function countRemovedLines(files: SegmentSet, { ended, lines }: LogInfo): Promise<number> {
  const first = files.numbers[0];
  if (first !== undefined) return (await files.start(first)).position.line;
  return ended ? (lines ?? 0) : 0;
}

interface SourceChange {
  readonly json: Uint8Array;
}

/**
 * Yields the stored lines after the first `after`, in batches of whole lines with terminators. Also yields events,
 * first the one that names the source of the first line.
 */
async function* readBatches(files: SegmentSet, after: number, final: boolean): AsyncGenerator<Buffer | SourceChange> {
  const ends = await files.lastSegmentEnds();
  if (ends === undefined) return;
  const until: Position = { line: Infinity, seq: Infinity, ...ends };
  const found = await locate(files, { after, seq: 0, format: 'lines', until });
  if (found.sourceEvent !== undefined) yield { json: found.sourceEvent };
  let from = found.position;
  for (;;) {
    const number = await files.findSegment(
      ({ position, format }) =>
        position.byte <= from.byte && (format === 'raw' || position.eventByte <= from.eventByte),
    );
    const { entries, release } = await readSegmentPage(files, number!, { from, until, final });
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (entry.type === 'event') yield entry;
      else yield Buffer.concat(entry.pieces);
      from = entry.end;
    }
    release();
  }
}

async function readSegmentPage(
  files: SegmentSet,
  number: number,
  { from, until, final }: { from: Position; until: Position; final: boolean },
): Promise<Page> {
  const {
    format,
    lineBytesMax,
    position: { eventByte },
  } = await files.start(number);
  const end = await files.segmentEnd(number);
  const raw = format === 'raw';
  // Skip the events of a terminal, which say nothing about its lines.
  const events = raw && { eventByte };
  return files.withSegment(number, (segment) =>
    readPage(segment, {
      from: { ...from, ...events },
      until: { ...(end ?? until), ...events },
      format: 'lines',
      lineBytesMax: raw ? lineBytesMax : Infinity,
      final: final || end !== undefined,
    }),
  );
}
