// Filters paths by patterns in the syntax of .gitignore.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { systemCode, systemErrorText } from '../support/system-error.ts';
import { ArchiveError } from './archive-error.ts';
import type { PathFilter } from './walk-folder.ts';

/**
 * Returns a filter that excludes what git would ignore. Names are case-sensitive, as in git on Linux. Invalid patterns
 * match nothing.
 */
export function filterByGitignore(patterns: readonly string[]): PathFilter {
  if (patterns.length === 0) return () => 'include';
  let rules = compile(patterns);
  let tested = 0;
  return (path, isFolder) => {
    // Recreate the matcher now and then: the library caches every path it has tested, and there may be millions.
    if (++tested % recompileAfter === 0) rules = compile(patterns);
    return rules.ignores(isFolder ? `${path}/` : path) ? 'exclude' : 'include';
  };
}

const recompileAfter = 10_000;

function compile(patterns: readonly string[]): Ignore {
  return ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns);
}

/** Returns a filter that excludes a path if any of the filters excludes it. */
export function combineFilters(filters: readonly PathFilter[]): PathFilter {
  return (path, isFolder) => {
    const results = filters.map((filter) => filter(path, isFolder));
    return (
      results.find((result) => result === 'exclude') ?? results.find((result) => result === 'descend') ?? 'include'
    );
  };
}

/**
 * Returns the name and lines of the first of `names` that exists in `root`, or no lines if none exists. Rejects with
 * ArchiveError if the file is too large or cannot be read.
 */
export async function readFirstIgnoreFile(
  root: string,
  names: readonly string[],
): Promise<{ readonly name?: string; readonly patterns: readonly string[] }> {
  for (const name of names) {
    try {
      const path = join(root, name);
      if ((await stat(path)).size > fileBytesMax)
        throw new ArchiveError(`"${name}" is too large: at most ${fileBytesMax} bytes`);
      const text = await readFile(path, 'utf8');
      return { name, patterns: text.replace(/^\uFEFF/, '').split(/\r?\n/) };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue;
      if (error instanceof ArchiveError) throw error;
      throw new ArchiveError(`cannot read "${name}": ${systemErrorText(error)}`, { cause: error });
    }
  }
  return { patterns: [] };
}

const fileBytesMax = 1 << 20;
