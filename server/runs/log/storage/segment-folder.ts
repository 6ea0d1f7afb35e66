// Names, lists and removes the segments in the folder of a log.
//
// The files are `lines`, `events`, `index`, then `lines.1`, `events.1`, `index.1`, and so on.

import { readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Files are created in this order and removed in reverse. A segment exists as long as its `lines` file, and then has
 * the other two.
 */
const kinds = ['index', 'events', 'lines'] as const;
export type SegmentFileKind = (typeof kinds)[number];

export interface SegmentSize {
  readonly number: number;
  /** Total size of its three files. */
  readonly bytes: number;
  /** Time of the last write, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

export function segmentPath(folder: string, kind: SegmentFileKind, number: number): string {
  return join(folder, number === 0 ? kind : `${kind}.${number}`);
}

/** Lists the segments, oldest first. Returns an empty list if the folder does not exist. */
export async function listSegments(folder: string): Promise<readonly SegmentSize[]> {
  const sizes: SegmentSize[] = [];
  for (const number of await segmentNumbers(folder)) {
    const found = (await Promise.all(kinds.map((kind) => statFile(folder, kind, number)))).filter(
      (stats) => stats !== undefined,
    );
    const bytes = found.reduce((sum, { size }) => sum + size, 0);
    sizes.push({ number, bytes, modifiedMs: Math.max(0, ...found.map(({ mtimeMs }) => mtimeMs)) });
  }
  return sizes;
}

/**
 * Removes the segments before number `below`, but never the last one. The log must not be open for writing. Returns the
 * number of freed bytes. Idempotent.
 */
export async function dropSegments(folder: string, below: number): Promise<number> {
  let freed = 0;
  for (const number of (await segmentNumbers(folder)).slice(0, -1))
    if (number < below) freed += await removeSegment(folder, number);
  return freed;
}

export async function segmentNumbers(folder: string): Promise<readonly number[]> {
  return parseNumbers('lines', await listNames(folder));
}

/** Removes one segment, even if it is incomplete. Returns the number of freed bytes. Idempotent. */
export async function removeSegment(folder: string, number: number): Promise<number> {
  let freed = 0;
  for (const kind of [...kinds].reverse()) {
    freed += (await statFile(folder, kind, number))?.size ?? 0;
    await unlink(segmentPath(folder, kind, number)).catch(ignoreMissing);
  }
  return freed;
}

/** Removes the remains of segments whose creation or removal was interrupted. */
export async function removePartialSegments(folder: string): Promise<void> {
  const names = await listNames(folder);
  const complete = new Set(parseNumbers('lines', names));
  const partial = new Set(
    [...parseNumbers('index', names), ...parseNumbers('events', names)].filter((number) => !complete.has(number)),
  );
  for (const number of partial) await removeSegment(folder, number);
}

/** Removes a segment whose creation failed, and the folder if it was the first segment. */
export async function rollbackSegment(folder: string, number: number): Promise<void> {
  await removeSegment(folder, number).catch(() => undefined);
  if (number === 0) await rmdir(folder).catch(() => undefined);
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}

function parseNumbers(kind: SegmentFileKind, names: readonly string[]): readonly number[] {
  const pattern = new RegExp(`^${kind}(?:\\.([1-9]\\d{0,14}))?$`);
  const numbers = names.flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [Number(match[1] ?? 0)];
  });
  return numbers.sort((a, b) => a - b);
}

async function listNames(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(ignoreMissing)) ?? [];
}

async function statFile(folder: string, kind: SegmentFileKind, number: number) {
  return stat(segmentPath(folder, kind, number)).catch(ignoreMissing);
}
