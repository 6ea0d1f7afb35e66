// A position in a log: the numbers of lines, bytes of lines, events and bytes of events before it.

export interface Position {
  readonly line: number;
  readonly byte: number;
  readonly seq: number;
  readonly eventByte: number;
}

export const beginning: Position = { line: 0, byte: 0, seq: 0, eventByte: 0 };

/**
 * Returns a negative number if `a` comes before `b`. Both files only grow, so the sum of their bytes orders all
 * positions of a log.
 */
export function comparePositions(a: Position, b: Position): number {
  return a.byte + a.eventByte - b.byte - b.eventByte;
}

/** Where a watcher starts: after this number of lines (bytes for a terminal and output of bytes), or near the end. */
export type Cursor = { readonly after: number; readonly seq?: number } | { readonly last: number };
