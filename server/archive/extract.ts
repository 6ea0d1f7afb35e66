// Extracts untrusted archives. No entry or link can leave the target folder.

import { constants } from 'node:fs';
import { chmod, type FileHandle, link as hardLink, mkdir, open, rm, symlink, utimes } from 'node:fs/promises';
import { setImmediate as othersFirst } from 'node:timers/promises';
import { systemCode, systemErrorText } from '../support/system-error.ts';
import { ArchiveError } from './archive-error.ts';
import type { ArchiveStats } from './pack.ts';
import type { Quota } from './quota.ts';
import { type ArchiveEntry, decodeName, readEntries } from './read-entries.ts';
import { escapesRoot, type SymbolicLink, type SymbolicLinks } from './symlink-check.ts';

export interface ExtractOptions {
  /**
   * Maps the name of an entry to a path in the target folder (empty for the folder itself), or to undefined to skip the
   * entry. `name` has no empty parts, `.` or `..`. Both are byte strings. Default: the name itself.
   */
  readonly targetPath?: (name: string, kind: ArchiveEntry['kind']) => string | undefined;
  /**
   * Folder that the links of this archive must not leave, relative to the target folder. Default: the target folder.
   */
  readonly within?: string;
  /**
   * With true, accepts absolute names and ignores their leading slash, as in archives of a whole machine. By default
   * such names are rejected.
   */
  readonly allowAbsolute?: boolean;
  /**
   * Called for an entry that cannot be extracted, and why; extraction continues. Absent: devices and pipes are left
   * out, and other such entries are errors.
   */
  readonly onSkipped?: (shown: string, why: string) => void;
}

/** An extracted entry. Mode and time of folders are set last, because a folder may be read-only. */
type ExtractedEntry =
  | { readonly kind: 'file' }
  | { readonly kind: 'link' }
  | { readonly kind: 'folder'; mode?: number; mtime?: number };

/** Changes modes so that the gateway can read and remove everything. Drops set-user-id and similar bits. */
const modes = { file: (mode: number) => (mode & 0o777) | 0o400, folder: (mode: number) => (mode & 0o777) | 0o700 };

export class ArchiveExtractor {
  readonly #root: string;
  readonly #quota: Quota;
  readonly #extracted = new Map<string, ExtractedEntry>();
  readonly #links: SymbolicLinks = new Map();
  /** Paths of links that are not created yet. */
  #newLinks = new Set<string>();
  #files = 0;
  #bytes = 0;

  /** `root` must be an existing, empty folder that only this extractor uses. */
  constructor(root: string, budget: Quota) {
    this.#root = root;
    this.#quota = budget;
  }

  /** Number of files and links, and bytes written for them. */
  get stats(): ArchiveStats {
    return { files: this.#files, bytes: this.#bytes };
  }

  /** Makes the used part of the quota available again. Call this once, when the extracted files are removed. */
  releaseQuota(): void {
    this.#quota.release({ bytes: this.#bytes, entries: this.#extracted.size });
  }

  /**
   * Extracts the archive. Replaces existing files and merges folders. Call this again only after the previous archive
   * is extracted.
   *
   * Rejects with ArchiveError when the archive is invalid, a name or link leaves the target folder, the quota is
   * exhausted, or a write fails. The caller removes what was written.
   */
  async extract(
    archive: AsyncIterable<Uint8Array>,
    { targetPath = (name) => name, within = '', allowAbsolute = false, onSkipped = rejectEntry }: ExtractOptions = {},
  ): Promise<void> {
    const remaining = this.#remainingBytes();
    for await (const entry of readEntries(limitBytes(archive, remaining))) {
      const path = targetPath(normalizeName(entry, allowAbsolute), entry.kind);
      // A skipped entry does not count towards the limit.
      if (path === undefined) remaining.bytes += entry.size + entryBytesMax;
      else
        await this.#add(path, entry, { targetPath, within, allowAbsolute, onSkipped }).catch((error: unknown) => {
          throw toWriteError(entry, error);
        });
    }
    await this.#finish();
  }

  async #add(path: string, entry: ArchiveEntry, options: Required<ExtractOptions>): Promise<void> {
    const unsupported = unsupportedReason(entry);
    if (unsupported !== undefined) return options.onSkipped(entry.shown, unsupported);
    if (entry.kind === 'folder') return this.#folder(path, entry);
    if (path === '') throw new ArchiveError(`"${entry.shown}" has no name`);
    await this.#parents(path, entry);
    if (this.#extracted.get(path)?.kind === 'folder')
      throw new ArchiveError(`"${entry.shown}" occurs twice, once as a folder`);
    await this.#removeExisting(path);
    if (entry.kind === 'file') await this.#file(path, entry);
    else if (entry.kind === 'link') this.#link(path, { target: entry.target, within: options.within });
    else await this.#hardLink(path, entry, options);
    this.#files += 1;
  }

  async #folder(path: string, { mode, mtime, ...entry }: ArchiveEntry): Promise<void> {
    const known = this.#extracted.get(path);
    if (path !== '' && known?.kind !== 'folder') {
      await this.#parents(path, entry);
      await this.#makeFolder(path, entry);
    }
    if (path !== '') this.#extracted.set(path, { kind: 'folder', mode, mtime });
  }

  /** Creates the missing parent folders of a path. */
  async #parents(path: string, entry: { readonly shown: string }): Promise<void> {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash);
      if (this.#extracted.get(parent)?.kind !== 'folder') await this.#makeFolder(parent, entry);
    }
  }

  async #makeFolder(path: string, { shown }: { readonly shown: string }): Promise<void> {
    const existing = this.#extracted.get(path);
    if (existing !== undefined)
      throw new ArchiveError(
        `"${shown}" leads through "${decodeName(path)}", ` +
          `which is a ${existing.kind === 'link' ? 'symbolic link' : 'file'}`,
      );
    this.#record(path, { kind: 'folder' });
    await mkdir(this.#absolutePath(path), 0o700);
  }

  async #file(path: string, { size, mode, mtime, content }: ArchiveEntry): Promise<void> {
    this.#record(path, { kind: 'file' }, size);
    const file = await open(
      this.#absolutePath(path),
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      for await (const piece of content) await writeAll(file, piece);
      await file.chmod(modes.file(mode));
      await file.utimes(mtime, mtime);
    } finally {
      await file.close();
    }
  }

  #link(path: string, link: SymbolicLink): void {
    if (link.target.length > nameBytesMax)
      throw new ArchiveError(
        `the target of the symbolic link "${decodeName(path)}" is longer than ${nameBytesMax} bytes`,
      );
    this.#record(path, { kind: 'link' });
    this.#links.set(path, link);
    // The link is created at the end, so that nothing is ever written through a link.
    this.#newLinks.add(path);
  }

  /**
   * Creates a hard link to an extracted file, or a copy of an extracted symbolic link. The target is a name in the
   * archive.
   */
  async #hardLink(
    path: string,
    entry: ArchiveEntry,
    { targetPath, allowAbsolute }: Required<ExtractOptions>,
  ): Promise<void> {
    const shown = decodeName(entry.target);
    const other = targetPath(normalizeName({ name: entry.target, shown }, allowAbsolute), 'file');
    const extracted = other === undefined ? undefined : this.#extracted.get(other);
    const symbolic = other === undefined ? undefined : this.#links.get(other);
    if (symbolic !== undefined) this.#link(path, symbolic);
    else if (other === undefined || extracted?.kind !== 'file')
      throw new ArchiveError(
        `"${entry.shown}" is a hard link to "${shown}", which is not in the archive or not extracted`,
      );
    else {
      this.#record(path, { kind: 'file' });
      await hardLink(this.#absolutePath(other), this.#absolutePath(path));
    }
  }

  async #removeExisting(path: string): Promise<void> {
    const existing = this.#extracted.get(path);
    if (existing === undefined) return;
    this.#extracted.delete(path);
    this.#links.delete(path);
    if (!this.#newLinks.delete(path)) await rm(this.#absolutePath(path));
    this.#files -= 1;
    this.#quota.release({ bytes: 0, entries: 1 });
  }

  /** Records an entry before it is created. */
  #record(path: string, extracted: ExtractedEntry, bytes = 0): void {
    this.#quota.take({ bytes, entries: 1 });
    this.#bytes += bytes;
    this.#extracted.set(path, extracted);
  }

  async #finish(): Promise<void> {
    let checked = 0;
    for (const [path, link] of this.#links) {
      if (++checked % linksPerTurn === 0) await othersFirst();
      if (escapesRoot(this.#links, path, link))
        throw new ArchiveError(
          `the symbolic link "${decodeName(path)}" leads outside, to "${decodeName(link.target)}": ` +
            'leave it out, or make it relative and keep its target inside',
        );
    }
    for (const path of this.#newLinks) {
      const target = Buffer.from(this.#links.get(path)!.target, 'latin1');
      await symlink(target, this.#absolutePath(path)).catch((error: unknown) => {
        throw toWriteError({ shown: decodeName(path) }, error);
      });
    }
    this.#newLinks = new Set();
    const folders = [...this.#extracted].filter(([, extracted]) => extracted.kind === 'folder').reverse();
    for (const [path, extracted] of folders) {
      if (extracted.kind !== 'folder') continue;
      await chmod(this.#absolutePath(path), modes.folder(extracted.mode ?? 0o755));
      if (extracted.mtime !== undefined) await utimes(this.#absolutePath(path), extracted.mtime, extracted.mtime);
    }
  }

  /**
   * Returns the maximum size of an archive, including names, headers and zeros. Without this limit, an archive of
   * nothing but these could be endless.
   */
  #remainingBytes(): RemainingBytes {
    const { bytesMax, entriesMax, quotaMessage } = this.#quota.limits;
    return { bytes: bytesMax + entriesMax * entryBytesMax + spareBytes, quotaMessage: () => quotaMessage('bytes') };
  }

  #absolutePath(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')]);
  }
}

/** Without `onSkipped`, entries with this reason are left out: devices and pipes mean nothing on another machine. */
const deviceReason = 'it is a device or a pipe';
export const nameReason = 'its name is not valid UTF-8';

/** Returns why an entry cannot be extracted; undefined if it can. */
function unsupportedReason({ kind, lost }: ArchiveEntry): string | undefined {
  if (kind === 'device') return deviceReason;
  if (lost) return nameReason;
  if (kind !== 'unknown') return undefined;
  return 'it is stored in an unsupported form (a sparse file?): pack it as a plain file';
}

function rejectEntry(shown: string, why: string): void {
  if (why !== deviceReason) throw new ArchiveError(`cannot extract ${JSON.stringify(shown)}: ${why}`);
}

const linksPerTurn = 100;
const entryBytesMax = 4 << 10;
const spareBytes = 1 << 20;

/** Maximum length of a name. The kernel limits a path to 4096 bytes, including the target folder. */
const nameBytesMax = 3_072;
const depthMax = 100;

/** Number of archive bytes that may still arrive. */
interface RemainingBytes {
  bytes: number;
  readonly quotaMessage: () => string;
}

async function* limitBytes(archive: AsyncIterable<Uint8Array>, remaining: RemainingBytes): AsyncGenerator<Uint8Array> {
  for await (const piece of archive) {
    remaining.bytes -= piece.length;
    if (remaining.bytes < 0) throw new ArchiveError(remaining.quotaMessage());
    yield piece;
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
}

/**
 * Returns the name without empty parts and `.`. Throws ArchiveError for a name that is too long or too deep, contains
 * `..` or NUL, or is absolute without `allowAbsolute`.
 */
function normalizeName(
  { name, shown }: { readonly name: string; readonly shown: string },
  allowAbsolute: boolean,
): string {
  if (name.startsWith('/') && !allowAbsolute)
    throw new ArchiveError(`the name "${shown}" is absolute: make it relative`);
  if (name.includes('\0')) throw new ArchiveError(`the name ${JSON.stringify(shown)} contains a NUL byte`);
  if (name.length > nameBytesMax)
    throw new ArchiveError(`the name "${shown.slice(0, 100)}…" is longer than ${nameBytesMax} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ArchiveError(`the name "${shown}" leads outside: it contains ".."`);
  if (parts.length > depthMax)
    throw new ArchiveError(`the name "${shown.slice(0, 100)}…" is more than ${depthMax} folders deep`);
  return parts.join('/');
}

/** Converts file-system errors to errors that name the entry. */
function toWriteError({ shown }: { readonly shown: string }, error: unknown): unknown {
  if (systemCode(error) === undefined) return error;
  return new ArchiveError(`cannot write "${shown}": ${systemErrorText(error)}`, { cause: error });
}
