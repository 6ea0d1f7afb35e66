// Which files are left out, said in the language of .gitignore.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { systemCode, systemReason } from '../reason.ts';
import { ArchiveError } from './archive-error.ts';
import type { Judge } from './walk.ts';

/** Names are compared as git does on Linux: with regard to case. A pattern that means nothing leaves nothing out. */
export function judgeByGitignore(patterns: readonly string[]): Judge {
  if (patterns.length === 0) return () => 'take';
  let rules = compile(patterns);
  let asked = 0;
  return (path, isFolder) => {
    // It remembers every path it was ever asked about, and there may be millions.
    if (++asked % forgetAfter === 0) rules = compile(patterns);
    return rules.ignores(isFolder ? `${path}/` : path) ? 'leave' : 'take';
  };
}

const forgetAfter = 10_000;

function compile(patterns: readonly string[]): Ignore {
  return ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns);
}

/** Left out when any of them leaves it out. */
export function judgeByAll(judges: readonly Judge[]): Judge {
  return (path, isFolder) => {
    const verdicts = judges.map((judge) => judge(path, isFolder));
    return verdicts.find((verdict) => verdict === 'leave') ?? verdicts.find((verdict) => verdict === 'look') ?? 'take';
  };
}

/** The lines of the first of `names` that is a file in `root`; no lines when none is. Throws ArchiveError when it cannot be read. */
export async function firstIgnoreFile(root: string, names: readonly string[]): Promise<{ readonly name?: string; readonly patterns: readonly string[] }> {
  for (const name of names) {
    try {
      const path = join(root, name);
      if ((await stat(path)).size > fileBytesMax) throw new ArchiveError(`"${name}" is too large to be read: at most ${fileBytesMax} bytes`);
      const text = await readFile(path, 'utf8');
      return { name, patterns: text.replace(/^\uFEFF/, '').split(/\r?\n/) };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue;
      if (error instanceof ArchiveError) throw error;
      throw new ArchiveError(`cannot read "${name}": ${systemReason(error)}`, { cause: error });
    }
  }
  return { patterns: [] };
}

const fileBytesMax = 1 << 20;
