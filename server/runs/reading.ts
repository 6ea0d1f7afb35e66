// Stored lines of a run, from a cursor, for readers that come and go: HTTP and the command line.

import { LogFiles } from './log/files.ts';
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
  /** The cursor after these lines. */
  readonly next: number;
  /** No line will come after these. */
  readonly ended: boolean;
}

/** Throws when there is no log in `folder`. */
export async function readLines(folder: string, wish: LinesWish & { ended: boolean }): Promise<LinesPage> {
  const files = LogFiles.read(folder);
  try {
    return await read(files, wish);
  } finally {
    await files.close();
  }
}

async function read(files: LogFiles, { after, limit, bytesMax, ended }: LinesWish & { ended: boolean }): Promise<LinesPage> {
  const { bytes } = await files.sizes();
  const lines: string[] = [];
  let place = withoutEvents(await files.find(after));
  const until: Position = { line: Infinity, byte: bytes, seq: 0, eventByte: 0 };
  let size = 0;
  let skip = after - place.line;
  while (lines.length < limit && size < bytesMax) {
    const [item] = await readPage(files, { from: place, until, shape: 'lines', final: ended });
    if (item === undefined || item.type === 'event') return { lines, next: after + lines.length, ended };
    const found = textOf(item.pieces);
    const room = limit - lines.length;
    for (const line of found.slice(skip, skip + room)) lines.push(line);
    if (found.length - skip > room) return { lines, next: after + lines.length, ended: false };
    skip = Math.max(0, skip - found.length);
    size += item.end.byte - item.start.byte;
    place = item.end;
  }
  return { lines, next: after + lines.length, ended: ended && place.byte >= bytes };
}

/** How much a log that nobody writes any more holds. Throws when there is none. */
export async function measure(folder: string): Promise<Pick<Position, 'line' | 'byte'>> {
  const files = LogFiles.read(folder);
  try {
    const { bytes } = await files.sizes();
    const until: Position = { line: Infinity, byte: bytes, seq: 0, eventByte: 0 };
    let place = withoutEvents(await files.find(Infinity));
    for (;;) {
      const [item] = await readPage(files, { from: place, until, shape: 'lines', final: true });
      if (item === undefined) return { line: place.line, byte: place.byte };
      place = item.end;
    }
  } finally {
    await files.close();
  }
}

function withoutEvents(position: Position): Position {
  return { ...position, seq: 0, eventByte: 0 };
}

function textOf(pieces: readonly Uint8Array[]): readonly string[] {
  const lines = Buffer.concat(pieces).toString('utf8').split('\n');
  lines.pop();
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}
