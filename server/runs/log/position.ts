// A place in a run's log: how many lines, bytes of lines, events and bytes of events come before it.

export interface Position {
  readonly line: number;
  readonly byte: number;
  readonly seq: number;
  readonly eventByte: number;
}

export const beginning: Position = { line: 0, byte: 0, seq: 0, eventByte: 0 };

/** Negative when `a` comes before `b`. Both files only grow, so the sum of bytes orders all places of one log. */
export function compare(a: Position, b: Position): number {
  return a.byte + a.eventByte - b.byte - b.eventByte;
}

/** Where a watcher wants to begin: behind so many lines (of a terminal: bytes), or with the last so many that there are. */
export type Cursor = { readonly after: number; readonly seq?: number } | { readonly last: number };
