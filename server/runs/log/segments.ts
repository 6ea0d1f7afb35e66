// The segments of a log in its folder: `lines`, `events`, `index`, and when those are full `lines.1`, `events.1`, `index.1` …

import { readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * In the order in which they are made, and against which they are removed: a segment is there while its `lines` are, and then it has the others.
 */
const kinds = ['index', 'events', 'lines'] as const;
export type Kind = (typeof kinds)[number];

export interface SegmentSize {
  readonly number: number;
  /** Of its three files. */
  readonly bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

export function pathOf(folder: string, kind: Kind, number: number): string {
  return join(folder, number === 0 ? kind : `${kind}.${number}`);
}

/** Oldest first; empty when there is no such folder. */
export async function listSegments(folder: string): Promise<readonly SegmentSize[]> {
  const sizes: SegmentSize[] = [];
  for (const number of await segmentNumbers(folder)) {
    const found = (await Promise.all(kinds.map((kind) => statOf(folder, kind, number)))).filter((stats) => stats !== undefined);
    const bytes = found.reduce((sum, { size }) => sum + size, 0);
    sizes.push({ number, bytes, modifiedMs: Math.max(0, ...found.map(({ mtimeMs }) => mtimeMs)) });
  }
  return sizes;
}

/** Of a log that nobody writes: removes the segments before number `below`, but never the last one. Gives the bytes that were freed. Safe twice. */
export async function dropSegments(folder: string, below: number): Promise<number> {
  let freed = 0;
  for (const number of (await segmentNumbers(folder)).slice(0, -1)) if (number < below) freed += await removeSegment(folder, number);
  return freed;
}

export async function segmentNumbers(folder: string): Promise<readonly number[]> {
  return numbersOf('lines', await namesIn(folder));
}

/** Gives the bytes that were freed. Safe twice, and for a segment that is only half there. */
export async function removeSegment(folder: string, number: number): Promise<number> {
  let freed = 0;
  for (const kind of [...kinds].reverse()) {
    freed += (await statOf(folder, kind, number))?.size ?? 0;
    await unlink(pathOf(folder, kind, number)).catch(unlessMissing);
  }
  return freed;
}

/** What is left of segments that were being made, or removed, when the gateway was killed. */
export async function removeRemains(folder: string): Promise<void> {
  const names = await namesIn(folder);
  const there = new Set(numbersOf('lines', names));
  const remains = new Set([...numbersOf('index', names), ...numbersOf('events', names)].filter((number) => !there.has(number)));
  for (const number of remains) await removeSegment(folder, number);
}

/** Of a segment that could not be made, and of the folder, should it be its first. */
export async function unmake(folder: string, number: number): Promise<void> {
  await removeSegment(folder, number).catch(() => undefined);
  if (number === 0) await rmdir(folder).catch(() => undefined);
}

export function unlessMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}

function numbersOf(kind: Kind, names: readonly string[]): readonly number[] {
  const pattern = new RegExp(`^${kind}(?:\\.([1-9]\\d{0,14}))?$`);
  const numbers = names.flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [Number(match[1] ?? 0)];
  });
  return numbers.sort((a, b) => a - b);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(unlessMissing)) ?? [];
}

async function statOf(folder: string, kind: Kind, number: number) {
  return stat(pathOf(folder, kind, number)).catch(unlessMissing);
}
