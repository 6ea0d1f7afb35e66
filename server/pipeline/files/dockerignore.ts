// What `.dockerignore` leaves out of the context of a build (https://docs.docker.com/build/concepts/context/#dockerignore-files): like .gitignore at first sight, and not the same.

import { posix } from 'node:path';
import type { Judge } from '../../support/archive/walk.ts';
import { ArchiveError } from '../../support/archive/archive-error.ts';
import { compileExpression, type Expression } from '../../support/expression.ts';
import { globExpression } from './glob.ts';

/** Also of `copyIgnore`: each of them is tried on each file. */
export const patternsMax = 1_000;
export const patternCharsMax = 1_000;

interface Rule {
  /** Begins with `!`. */
  readonly takes: boolean;
  readonly glob: string;
  readonly expression: Expression;
}

/**
 * All patterns are anchored at the root; the last one that fits the path, or a folder it is in, decides. What is in a folder that is left out may be taken again.
 * Throws ArchiveError for a pattern that means nothing: the build would be given what nobody wanted in it.
 */
export function judgeByDockerignore(lines: readonly string[]): Judge {
  const rules = lines.flatMap(ruleOf);
  if (rules.length > patternsMax) throw new ArchiveError(`.dockerignore has ${rules.length} patterns: at most ${patternsMax} are looked at for each file`);
  const takesAgain = rules.some(({ takes }) => takes);
  return (path, isFolder) => {
    if (!isLeftOut(path, rules)) return 'take';
    return isFolder && takesAgain ? 'look' : 'leave';
  };
}

function ruleOf(line: string): readonly Rule[] {
  if (line.startsWith('#')) return [];
  const text = line.trim();
  const takes = text.startsWith('!');
  const written = takes ? text.slice(1).trim() : text;
  if (written === '') {
    if (takes) throw new ArchiveError('.dockerignore: "!" alone means nothing: name what is to be taken');
    return [];
  }
  if (written.length > patternCharsMax) throw new ArchiveError(`.dockerignore: a pattern has ${written.length} characters: at most ${patternCharsMax} are looked at`);
  const glob = posix.normalize(written).replace(/^\/(?=.)/, '').replace(/(?<=.)\/$/, '');
  const expression = compileExpression(globExpression(glob, 'docker'));
  if (expression === undefined) throw new ArchiveError(`.dockerignore: the pattern "${text}" means nothing: see what is in brackets`);
  return [{ takes, glob, expression }];
}

function isLeftOut(path: string, rules: readonly Rule[]): boolean {
  const paths = withFolders(path);
  const last = rules.findLast(({ expression }) => paths.some((one) => expression.test(one)));
  return last !== undefined && !last.takes;
}

/** `a/b/c` and the folders it is in: `a/b`, `a`. */
export function withFolders(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_part, at) => parts.slice(0, parts.length - at).join('/'));
}
