// Reads the last lines of a run as one text, including an unfinished line.

import type { Limits } from '../../../protocol/limits.ts';
import type { LocateResult } from '../../runs/log/storage/locate.ts';
import { readSource } from '../../runs/log/text/output-sources.ts';
import type { WatchableLog } from '../../runs/log/watchable-log.ts';

type LastLinesLimits = Pick<Limits, 'powLinesMax' | 'powBufferBytesMax' | 'powSearchLinesMax'>;

/**
 * Reads the last lines that are not of services: at most `powLinesMax` lines and `powBufferBytesMax` bytes, but at
 * least one line if there is one. Searches only the last `powSearchLinesMax` lines of the log. Resolves with the lines
 * joined by `\n`, as valid UTF-8; empty if there is no such line. Rejects if the log cannot be read.
 */
export async function lastLines(log: WatchableLog, limits: LastLinesLimits): Promise<string> {
  // Read the unfinished line and the number of lines in one step, so that the unfinished line follows exactly these
  // lines.
  const { text: partial } = log.partialLine(limits.powBufferBytesMax) ?? {};
  const { line: count } = log.position;
  const newest = new NewestLines(limits);
  if (partial !== undefined) newest.prepend([partial]);
  await readBackwards(log, count, newest);
  return newest.lines.join('\n');
}

/** The newest lines, as many as the limits allow. */
class NewestLines {
  lines: readonly string[] = [];
  /** True when no older line fits. */
  full = false;
  readonly limits: LastLinesLimits;
  #bytes = 0;

  constructor(limits: LastLinesLimits) {
    this.limits = limits;
  }

  prepend(older: readonly string[]): void {
    const { powLinesMax, powBufferBytesMax } = this.limits;
    const fitting: string[] = [];
    for (const line of older.toReversed()) {
      if (this.full) break;
      const bytes = this.#bytes + Buffer.byteLength(line) + 1;
      const count = this.lines.length + fitting.length;
      if (count > 0 && bytes > powBufferBytesMax) this.full = true;
      else {
        fitting.push(line);
        this.#bytes = bytes;
        this.full = count + 1 === powLinesMax;
      }
    }
    this.lines = [...fitting.reverse(), ...this.lines];
  }
}

/** Reads ranges of lines, the last one first, until `newest` is full or `powSearchLinesMax` lines are searched. */
async function readBackwards(log: WatchableLog, count: number, newest: NewestLines): Promise<void> {
  const { powLinesMax, powBufferBytesMax, powSearchLinesMax } = newest.limits;
  // `locate` waits until the lines are on disk. For an ended log, only `locate` returns the number of lines.
  let until = await log.locate({ after: count }, 'lines');
  const firstAfter = Math.max(0, until.line - powSearchLinesMax);
  let wanted = powLinesMax;
  while (until.line > firstAfter && !newest.full) {
    wanted = Math.min(wanted, until.line - firstAfter);
    const start = await log.locateWithSource({ after: until.line - wanted }, 'lines');
    // Halve a range with too many bytes. Read a single line of any length, because the text has at least one line.
    if (wanted > 1 && until.byte - start.position.byte > powBufferBytesMax) {
      wanted = Math.floor(wanted / 2);
      continue;
    }
    newest.prepend(await readLines(log, start, until.line));
    until = start.position;
    // Read a larger range next, because most of these lines may be of services, which are left out.
    wanted *= 2;
  }
}

async function readLines(
  log: WatchableLog,
  { position: start, sourceEvent }: LocateResult,
  until: number,
): Promise<readonly string[]> {
  const lines: string[] = [];
  let from = start;
  let isHidden = isOfService(sourceEvent) ?? false;
  while (from.line < until) {
    const { entries } = await log.page(from, 'lines');
    if (entries.length === 0) break;
    for (const entry of entries) {
      if (entry.type === 'event') isHidden = isOfService(entry.json) ?? isHidden;
      else if (entry.type === 'gap') isHidden = false;
      else if (entry.type === 'lines' && !isHidden)
        lines.push(...splitLines(Buffer.concat(entry.pieces)).slice(0, until - from.line));
      from = entry.end;
      if (from.line >= until) break;
    }
  }
  return lines;
}

/** Returns whether the lines after this event are those of a service; undefined if the event names no source. */
function isOfService(event: Uint8Array | undefined): boolean | undefined {
  const source = event === undefined ? undefined : readSource(event);
  return source && source.service !== undefined;
}

function splitLines(bytes: Buffer): readonly string[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}
