// Describes folders as data: writes, packs and reads them.

import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** Entries by path. A string is a file. Folders need an entry only if they are empty. */
export type FileTree = Readonly<Record<string, FileTreeEntry>>;
export type FileTreeEntry =
  | string
  | { readonly file: string; readonly mode: number }
  | { readonly folder: true }
  | { readonly link: string };

export async function writeFileTree(folder: string, tree: FileTree): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, entry] of Object.entries(tree)) {
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true });
    if (typeof entry === 'string') await writeFile(at, entry);
    else if ('link' in entry) await symlink(entry.link, at);
    else if ('folder' in entry) await mkdir(at, { recursive: true });
    else {
      await writeFile(at, entry.file);
      await chmod(at, entry.mode);
    }
  }
}

/** Packs the entries as a tar archive. */
export async function packFileTree(tree: FileTree): Promise<Buffer> {
  const archive = pack();
  for (const [name, entry] of Object.entries(tree)) {
    if (typeof entry === 'string') archive.entry({ name, mode: 0o644 }, entry);
    else if ('link' in entry) archive.entry({ name, type: 'symlink', linkname: entry.link });
    else if ('folder' in entry) archive.entry({ name: `${name}/`, type: 'directory', mode: 0o755 });
    else archive.entry({ name, mode: entry.mode }, entry.file);
  }
  archive.finalize();
  return buffer(archive);
}

/** Returns the entries below the folder, without modes; empty if the folder does not exist. */
export async function readFileTree(folder: string, below = ''): Promise<FileTree> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const parts = await Promise.all(
    names.sort().map(async (name): Promise<FileTree> => {
      const [at, path] = [join(folder, name), below === '' ? name : `${below}/${name}`];
      const stats = await lstat(at);
      if (stats.isSymbolicLink()) return { [path]: { link: await readlink(at) } };
      if (!stats.isDirectory()) return { [path]: await readFile(at, 'utf8') };
      const inside = await readFileTree(at, path);
      return Object.keys(inside).length === 0 ? { [path]: { folder: true } } : inside;
    }),
  );
  return Object.assign({}, ...parts) as FileTree;
}
