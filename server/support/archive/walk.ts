// Everything in a folder, in the order of the bytes of its names, each folder before what is in it.

import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { systemCode, systemReason } from '../reason.ts';
import { ArchiveError } from './archive-error.ts';

/** What is to become of a path. `leave`: of a folder, with all that is in it. `look`: a folder that is taken only for what in it is taken. */
export type Verdict = 'take' | 'leave' | 'look';

/** `path` is relative, with slashes between its parts. */
export type Judge = (path: string, isFolder: boolean) => Verdict;

export interface Found {
  /** Where it is, bytes. */
  readonly path: Buffer;
  /** Relative, bytes. */
  readonly name: Buffer;
  /** `name` for people. */
  readonly shown: string;
  readonly stats: Stats;
}

const slash = Buffer.from('/');

/** Links are not followed, but for `root` itself. What is gone by the time it is looked at is told to `onTrouble`. Throws ArchiveError for a folder that cannot be read. */
export async function* walk(root: string, judge: Judge, onTrouble?: (path: string, what: string) => void): AsyncGenerator<Found> {
  const base = Buffer.from(`${root}/`);
  /** What is still to be looked at, the next one last. */
  const ahead = (await namesIn(base, Buffer.alloc(0))).map((name): Ahead => ({ name }));
  /** Folders that wait for something in them to be taken, each in the one before. */
  let unsure: Found[] = [];
  for (let next = ahead.at(-1); next !== undefined; next = ahead.at(-1)) {
    for (const soon of ahead.slice(-lookedAtOnce)) soon.looking ??= begun(look(base, soon.name));
    ahead.pop();
    const { name } = next;
    const found = await next.looking;
    if (found === undefined) {
      onTrouble?.(name.toString(), 'gone before it was read: left out');
      continue;
    }
    const isFolder = found.stats.isDirectory();
    const verdict = judge(found.shown, isFolder);
    if (verdict === 'leave' || (verdict === 'look' && !isFolder)) continue;
    unsure = unsure.filter((folder) => isIn(name, folder.name));
    if (verdict === 'look') unsure.push(found);
    else {
      yield* unsure;
      unsure = [];
      yield found;
    }
    if (isFolder) for (const inside of await namesIn(base, Buffer.concat([name, slash]))) ahead.push({ name: inside });
  }
}

interface Ahead {
  readonly name: Buffer;
  looking?: Promise<Found | undefined>;
}

const lookedAtOnce = 16;

/** Its failure is heard of when it is its turn, if that ever comes. */
function begun<T>(looking: Promise<T>): Promise<T> {
  looking.catch(() => {});
  return looking;
}

function isIn(name: Buffer, folder: Buffer): boolean {
  return name.length > folder.length && name[folder.length] === slash[0] && name.subarray(0, folder.length).equals(folder);
}

async function look(base: Buffer, name: Buffer): Promise<Found | undefined> {
  const path = Buffer.concat([base, name]);
  try {
    return { path, name, shown: name.toString(), stats: await lstat(path) };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new ArchiveError(`cannot read "${name.toString()}": ${systemReason(error)}`, { cause: error });
  }
}

/** Backwards, as they are taken from the end. */
async function namesIn(base: Buffer, folder: Buffer): Promise<Buffer[]> {
  try {
    const names = await readdir(Buffer.concat([base, folder]), 'buffer');
    return names.sort((a, b) => Buffer.compare(b, a)).map((name) => Buffer.concat([folder, name]));
  } catch (error) {
    if (folder.length > 0 && systemCode(error) === 'ENOENT') return [];
    throw new ArchiveError(`cannot read ${folder.length === 0 ? 'the folder' : `"${folder.toString().slice(0, -1)}"`}: ${systemReason(error)}`, { cause: error });
  }
}
