// The last lines of a run, one that has only begun included, as one text.

import type { Limits } from '../../../protocol/limits.ts';
import type { WatchedLog } from '../../runs/log/watched.ts';
import type { Position } from '../../runs/log/position.ts';

type Bounds = Pick<Limits, 'powLinesMax' | 'powBufferBytesMax'>;

/** Joined by `\n`, without terminators, broken UTF-8 repaired; "" when nothing was printed. Throws when the log cannot be read. */
export async function lastLines(log: WatchedLog, bounds: Bounds): Promise<string> {
  // Taken together, for what has begun stands behind these lines and no others.
  const { text: begun } = log.unfinished(bounds.powBufferBytesMax) ?? {};
  const { line: count } = log.position;
  const whole = await linesUntil(log, count, begun === undefined ? bounds.powLinesMax : bounds.powLinesMax - 1, bounds);
  return (begun === undefined ? whole : [...whole, begun]).join('\n');
}

async function linesUntil(log: WatchedLog, count: number, linesMax: number, { powBufferBytesMax }: Bounds): Promise<readonly string[]> {
  // Waits until they are in the files; and of a log that is over, only now it is known how many there are.
  const end = await log.locate({ after: count }, 'lines');
  for (let wanted = Math.min(linesMax, end.line); wanted > 0; wanted = Math.floor(wanted / 2)) {
    const start = await log.locate({ after: end.line - wanted }, 'lines');
    if (end.byte - start.byte <= powBufferBytesMax || wanted === 1) return read(log, start, end.line);
  }
  return [];
}

async function read(log: WatchedLog, start: Position, until: number): Promise<readonly string[]> {
  const lines: string[] = [];
  let from = start;
  while (from.line < until) {
    const items = await log.page(from, 'lines');
    if (items.length === 0) break;
    for (const item of items) {
      if (item.type === 'lines') lines.push(...splitLines(Buffer.concat(item.pieces)));
      from = item.end;
    }
  }
  return lines.slice(0, Math.max(0, lines.length - Math.max(0, from.line - until)));
}

function splitLines(bytes: Buffer): readonly string[] {
  return bytes.toString('utf8').split('\n').slice(0, -1).map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}
