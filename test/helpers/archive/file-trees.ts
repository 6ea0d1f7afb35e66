// Creates, reads and compares folders and archives.

import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pack } from 'tar-stream';

/** Creates a temporary folder for each test of a suite. Call it inside `describe`. */
export function useTempFolder(): { readonly path: string; at(...parts: readonly string[]): string } {
  let path = '';
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'distillery-files-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    at: (...parts) => join(path, ...parts),
  };
}

/** Creates the files, links and folders of `files`. A name that ends with `/` is a folder. */
export function writeFiles(
  root: string,
  files: Readonly<Record<string, string | Buffer | { readonly to: string }>>,
): void {
  mkdirSync(root, { recursive: true });
  for (const [name, what] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (name.endsWith('/')) continue;
    if (typeof what === 'object' && 'to' in what) symlinkSync(what.to, path);
    else writeFileSync(path, what);
  }
}

/**
 * Returns the entries below `root` by relative path, sorted: `folder` for a folder, `-> target` for a link, the text
 * for a file.
 */
export function readFolder(root: string): Record<string, string> {
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

export async function readBytes(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Extracts with the system's tar, as an independent reader. */
export function untar(archive: Buffer, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync('tar', ['--extract', '--preserve-permissions', '--directory', folder], {
    input: archive,
  });
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

/** Creates an archive with exactly these entries, valid or not. */
export async function createTar(entries: readonly TarEntry[]): Promise<Buffer> {
  const packing = pack();
  for (const { content = '', ...header } of entries) {
    if (header.type === undefined || header.type === 'file') packing.entry(header, content);
    else packing.entry(header);
  }
  packing.finalize();
  return readBytes(packing as AsyncIterable<Uint8Array>);
}

/** Splits bytes into chunks of the sizes that `next` returns. */
export async function* splitBytes(bytes: Uint8Array, next: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + Math.max(1, next());
    yield bytes.subarray(at, end);
    at = end;
  }
}

export async function* singleChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Returns the error that `work` throws. Throws if `work` succeeds. */
export async function catchError(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('the work did not fail');
}
