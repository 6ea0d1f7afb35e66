// The segments of a log: `lines`, `events`, `index`, and when those are full, `lines.1`, `events.1`, `index.1` …

export interface SegmentSize {
  readonly number: number;
  /** Of its three files. */
  readonly bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** Oldest first; empty when there is no such folder. */
export function listSegments(_folder: string): Promise<readonly SegmentSize[]> {
  return Promise.reject(new Error('not yet'));
}

/** Of a log that nobody writes: removes the segments before number `below`, but never the last one. Gives the bytes that were freed. */
export function dropSegments(_folder: string, _below: number): Promise<number> {
  return Promise.reject(new Error('not yet'));
}
