// A folder that archives of people we do not know are unpacked into: nothing is written outside of it, and nothing in it leads outside.

import { constants } from 'node:fs';
import { chmod, link as hardLink, mkdir, open, rm, symlink, utimes, type FileHandle } from 'node:fs/promises';
import { setImmediate as othersFirst } from 'node:timers/promises';
import { systemCode, systemReason } from '../reason.ts';
import { ArchiveError } from './archive-error.ts';
import type { Budget } from './budget.ts';
import { entriesOf, textOf, type Entry } from './entries.ts';
import { leadsOutside, type Link, type Links } from './links.ts';
import type { Tally } from './pack.ts';

export interface Filling {
  /** Where an entry goes: a path in the tree, `` for its root; undefined: nowhere. `name` has no empty parts, `.` and `..`. Both are byte strings. Absent: where its name says. */
  readonly place?: (name: string, kind: Entry['kind']) => string | undefined;
  /** The folder of the tree that its links may not lead out of. Absent: the root. */
  readonly within?: string;
  /** Names begin with a slash, as they are those of a whole machine; it means nothing. Absent: such names are refused. */
  readonly rooted?: boolean;
}

/** What is at a path. Of a folder its mode and time are set last: it may be one that nothing can be written to. */
type Made =
  | { readonly kind: 'file' }
  | { readonly kind: 'link' }
  | { readonly kind: 'folder'; mode?: number; mtime?: number };

/** Modes of what is unpacked are kept, but whoever unpacked it can read and remove it, and nobody becomes somebody else by running it. */
const modes = { file: (mode: number) => (mode & 0o777) | 0o400, folder: (mode: number) => (mode & 0o777) | 0o700 };

export class Tree {
  readonly #root: string;
  readonly #budget: Budget;
  readonly #made = new Map<string, Made>();
  readonly #links: Links = new Map();
  /** Links that are still to be made. */
  #newLinks = new Set<string>();
  #files = 0;
  #bytes = 0;

  /** `root` is there, is empty, and belongs to this tree alone. */
  constructor(root: string, budget: Budget) {
    this.#root = root;
    this.#budget = budget;
  }

  /** Files and links it holds, and bytes that were written for them. */
  get tally(): Tally {
    return { files: this.#files, bytes: this.#bytes };
  }

  /** To be called, once, when what it holds is removed. */
  giveBack(): void {
    this.#budget.giveBack({ bytes: this.#bytes, entries: this.#made.size });
  }

  /**
   * Unpacks the archive; what is there already is replaced, but for folders, which are added to. One after the other, please. Throws ArchiveError when the archive cannot be read,
   * a name or link leads outside, the bounds are reached, or the disk refuses; what has been written is left for the caller to remove.
   */
  async unpack(archive: AsyncIterable<Uint8Array>, { place = (name) => name, within = '', rooted = false }: Filling = {}): Promise<void> {
    const room = this.#room();
    for await (const entry of entriesOf(bounded(archive, room))) {
      const path = place(nameOf(entry, rooted), entry.kind);
      // What is not kept takes none of the room.
      if (path === undefined) room.bytes += entry.size + entryBytesMax;
      else await this.#add(path, entry, { place, within, rooted }).catch((error: unknown) => { throw refusal(entry, error); });
    }
    await this.#finish();
  }

  async #add(path: string, entry: Entry, filling: Required<Filling>): Promise<void> {
    // Nobody misses them: they mean nothing on another machine.
    if (entry.kind === 'device') return;
    if (entry.kind === 'unknown') throw new ArchiveError(`"${entry.shown}" is stored in a form that is not known here (a sparse file?): pack it as a plain one`);
    if (entry.kind === 'folder') return this.#folder(path, entry);
    if (path === '') throw new ArchiveError(`"${entry.shown}" has no name`);
    await this.#parents(path, entry);
    if (this.#made.get(path)?.kind === 'folder') throw new ArchiveError(`"${entry.shown}" is there twice, once as a folder`);
    await this.#clear(path);
    if (entry.kind === 'file') await this.#file(path, entry);
    else if (entry.kind === 'link') this.#link(path, { target: entry.target, within: filling.within });
    else await this.#hardLink(path, entry, filling);
    this.#files += 1;
  }

  async #folder(path: string, { mode, mtime, ...entry }: Entry): Promise<void> {
    const known = this.#made.get(path);
    if (path !== '' && known?.kind !== 'folder') {
      await this.#parents(path, entry);
      await this.#makeFolder(path, entry);
    }
    if (path !== '') this.#made.set(path, { kind: 'folder', mode, mtime });
  }

  /** The folders a path leads through; those that are not there are made. */
  async #parents(path: string, entry: { readonly shown: string }): Promise<void> {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash);
      if (this.#made.get(parent)?.kind !== 'folder') await this.#makeFolder(parent, entry);
    }
  }

  async #makeFolder(path: string, { shown }: { readonly shown: string }): Promise<void> {
    const there = this.#made.get(path);
    if (there !== undefined) throw new ArchiveError(`"${shown}" leads through "${textOf(path)}", which is a ${there.kind === 'link' ? 'symbolic link' : 'file'}`);
    this.#note(path, { kind: 'folder' });
    await mkdir(this.#at(path), 0o700);
  }

  async #file(path: string, { size, mode, mtime, content }: Entry): Promise<void> {
    this.#note(path, { kind: 'file' }, size);
    const file = await open(this.#at(path), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      for await (const piece of content) await writeAll(file, piece);
      await file.chmod(modes.file(mode));
      await file.utimes(mtime, mtime);
    } finally {
      await file.close();
    }
  }

  #link(path: string, link: Link): void {
    if (link.target.length > nameBytesMax) throw new ArchiveError(`the symbolic link "${textOf(path)}" leads further than ${nameBytesMax} bytes`);
    this.#note(path, { kind: 'link' });
    this.#links.set(path, link);
    // Made at the end: so nothing is ever written through one.
    this.#newLinks.add(path);
  }

  /** Its target is a name in the archive, as its own is. */
  async #hardLink(path: string, entry: Entry, { place, rooted }: Required<Filling>): Promise<void> {
    const shown = textOf(entry.target);
    const other = place(nameOf({ name: entry.target, shown }, rooted), 'file');
    const made = other === undefined ? undefined : this.#made.get(other);
    const symbolic = other === undefined ? undefined : this.#links.get(other);
    if (symbolic !== undefined) this.#link(path, symbolic);
    else if (other === undefined || made?.kind !== 'file') throw new ArchiveError(`"${entry.shown}" is the same file as "${shown}", which is not here`);
    else {
      this.#note(path, { kind: 'file' });
      await hardLink(this.#at(other), this.#at(path));
    }
  }

  async #clear(path: string): Promise<void> {
    const there = this.#made.get(path);
    if (there === undefined) return;
    this.#made.delete(path);
    this.#links.delete(path);
    if (!this.#newLinks.delete(path)) await rm(this.#at(path));
    this.#files -= 1;
    this.#budget.giveBack({ bytes: 0, entries: 1 });
  }

  /** Before it is there. */
  #note(path: string, made: Made, bytes = 0): void {
    this.#budget.spend({ bytes, entries: 1 });
    this.#bytes += bytes;
    this.#made.set(path, made);
  }

  async #finish(): Promise<void> {
    let checked = 0;
    for (const [path, link] of this.#links) {
      if (++checked % checkedAtOnce === 0) await othersFirst();
      if (leadsOutside(this.#links, path, link)) throw new ArchiveError(`the symbolic link "${textOf(path)}" leads outside, to "${textOf(link.target)}": leave it out, or let it be relative and stay inside`);
    }
    for (const path of this.#newLinks) {
      const target = Buffer.from(this.#links.get(path)!.target, 'latin1');
      await symlink(target, this.#at(path)).catch((error: unknown) => { throw refusal({ shown: textOf(path) }, error); });
    }
    this.#newLinks = new Set();
    const folders = [...this.#made].filter(([, made]) => made.kind === 'folder').reverse();
    for (const [path, made] of folders) {
      if (made.kind !== 'folder') continue;
      await chmod(this.#at(path), modes.folder(made.mode ?? 0o755));
      if (made.mtime !== undefined) await utimes(this.#at(path), made.mtime, made.mtime);
    }
  }

  /** Names, headers and zeros take room, too: an archive of nothing else has no end otherwise. */
  #room(): Room {
    const { bytesMax, entriesMax, tooMuch } = this.#budget.bounds;
    return { bytes: bytesMax + entriesMax * entryBytesMax + spareBytes, tooMuch: () => tooMuch('bytes') };
  }

  #at(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')]);
  }
}

const checkedAtOnce = 100;
const entryBytesMax = 4 << 10;
const spareBytes = 1 << 20;

/** The kernel's bound on a path is 4096, and it has to stand somewhere. */
const nameBytesMax = 3_072;
const depthMax = 100;

/** Bytes of an archive that may still come. */
interface Room {
  bytes: number;
  readonly tooMuch: () => string;
}

async function* bounded(archive: AsyncIterable<Uint8Array>, room: Room): AsyncGenerator<Uint8Array> {
  for await (const piece of archive) {
    room.bytes -= piece.length;
    if (room.bytes < 0) throw new ArchiveError(room.tooMuch());
    yield piece;
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
}

/** The name without the parts that mean nothing; none with a part that must not be. */
function nameOf({ name, shown }: { readonly name: string; readonly shown: string }, rooted: boolean): string {
  if (name.startsWith('/') && !rooted) throw new ArchiveError(`the name "${shown}" is absolute: names have to be relative`);
  if (name.includes('\0')) throw new ArchiveError(`the name ${JSON.stringify(shown)} has a zero byte in it`);
  if (name.length > nameBytesMax) throw new ArchiveError(`the name "${shown.slice(0, 100)}…" is longer than ${nameBytesMax} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ArchiveError(`the name "${shown}" leads outside: it has ".." in it`);
  if (parts.length > depthMax) throw new ArchiveError(`the name "${shown.slice(0, 100)}…" is more than ${depthMax} folders deep`);
  return parts.join('/');
}

/** The disk's refusals are told of the entry they were met at. */
function refusal({ shown }: { readonly shown: string }, error: unknown): unknown {
  if (systemCode(error) === undefined) return error;
  return new ArchiveError(`cannot write "${shown}": ${systemReason(error)}`, { cause: error });
}
