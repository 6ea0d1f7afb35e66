// Lists the files of a folder that git tracks.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PathFilter } from '../../archive/walk-folder.ts';

const outputBytesMax = 256 << 20;

/**
 * Returns a filter that includes only files that git tracks, submodules included, with their content as it is on disk.
 * Resolves with an error message if git cannot list them.
 */
export async function filterTracked(folder: string): Promise<PathFilter | { readonly error: string }> {
  try {
    const { stdout } = await promisify(execFile)(
      'git',
      ['-C', folder, 'ls-files', '-z', '--cached', '--recurse-submodules'],
      { maxBuffer: outputBytesMax },
    );
    const files = new Set(stdout.split('\0').filter((path) => path !== ''));
    const folders = new Set([...files].flatMap(parents));
    return (path, isFolder) => ((isFolder ? folders : files).has(path) ? 'include' : 'exclude');
  } catch (error) {
    const { code, stderr = '', message } = error as Error & { code?: unknown; stderr?: string };
    const reason = code === 'ENOENT' ? 'there is no program git' : stderr.trim().split('\n')[0] || message;
    return { error: `cannot send what git tracks in "${folder}": ${reason}` };
  }
}

function parents(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}
