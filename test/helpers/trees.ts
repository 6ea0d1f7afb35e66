// Folders as they are, and archives of them: made, read, and compared.

import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pack } from 'tar-stream';

/** A temporary folder for each test of a suite; to be called inside of `describe`. */
export function ownFolder(): { readonly path: string; at(...parts: readonly string[]): string } {
  let path = '';
  beforeEach(() => { path = mkdtempSync(join(tmpdir(), 'distillery-files-')); });
  afterEach(() => rmSync(path, { recursive: true, force: true }));
  return { get path() { return path; }, at: (...parts) => join(path, ...parts) };
}

/** Makes it all; a name that ends with `/` is a folder. */
export function make(root: string, files: Readonly<Record<string, string | Buffer | { readonly to: string }>>): void {
  mkdirSync(root, { recursive: true });
  for (const [name, what] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (name.endsWith('/')) continue;
    if (typeof what === 'object' && 'to' in what) symlinkSync(what.to, path);
    else writeFileSync(path, what);
  }
}

/** What there is below `root`: of a folder `folder`, of a link `-> target`, of a file its text; by relative path, in order. */
export function treeOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (folder: string): void => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const below = folder === '' ? name : `${folder}/${name}`;
      const path = join(root, below);
      const stats = lstatSync(path);
      if (stats.isSymbolicLink()) found[below] = `-> ${readlinkSync(path)}`;
      else if (stats.isDirectory()) {
        found[below] = 'folder';
        look(below);
      } else found[below] = readFileSync(path, 'utf8');
    }
  };
  look('');
  return found;
}

export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Unpacks with the system's own tar, as another reader of what we write. */
export function untar(archive: Buffer, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync('tar', ['--extract', '--preserve-permissions', '--directory', folder], { input: archive });
  if (status !== 0) throw new Error(`tar: ${stderr.toString()}`);
}

export interface TarEntry {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character-device';
  readonly content?: string | Buffer;
  readonly linkname?: string;
  readonly mode?: number;
  readonly mtime?: Date;
}

/** An archive made of just these entries, however they may look. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const packing = pack();
  for (const { content = '', ...header } of entries) {
    if (header.type === undefined || header.type === 'file') packing.entry(header, content);
    else packing.entry(header);
  }
  packing.finalize();
  return bytesOf(packing as AsyncIterable<Uint8Array>);
}

/** In pieces of the sizes that `next` gives. */
export async function* cut(bytes: Uint8Array, next: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + Math.max(1, next());
    yield bytes.subarray(at, end);
    at = end;
  }
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The error that `work` fails with. */
export async function failureOf(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
