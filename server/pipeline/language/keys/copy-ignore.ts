// `copyIgnore`: what is not copied. Gitignore patterns, and regular expressions as pin has them.

import { wrong, type Field, type Key } from '../field.ts';
import type { IgnorePattern } from '../tree.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts, type Item } from './texts.ts';

export const copyIgnoreKey: Key<readonly IgnorePattern[]> = {
  summary: 'What copyFiles leaves out: gitignore patterns. One that looks like a regular expression is looked for anywhere in the path.',
  schema: oneOrMore(),
  read: (field) => readTexts(field, {
    all: `${field.name} items`,
    empty: (index) => (index === undefined ? `${field.name} cannot be empty` : `${field.name} item at index ${index} cannot be empty`),
  })?.flatMap((item) => readPattern(field, item)),
};

function readPattern(field: Field, { text, value, index }: Item): readonly IgnorePattern[] {
  const compiles = looksLikeExpression(text) ? field.ground.checkExpression(text) : 'does not compile';
  if (compiles === 'compiles') return [{ expression: text }];
  const why = compiles === 'too many' ? 'there are too many regular expressions with repetitions in this file' : uselessness(text);
  if (why === undefined) return [{ gitignore: text }];
  wrong(field, `${field.name} item${index === undefined ? '' : ` at index ${index}`} is neither a gitignore pattern nor a regular expression: ${why}`, { at: value });
  return [];
}

/** Contains a backslash, `|`, `.+` or `.*` (except `.*` alone), starts with `^` or ends with `$`. */
export function looksLikeExpression(text: string): boolean {
  return text !== '.*' && (/[\\|]|\.[+*]/.test(text) || text.startsWith('^') || text.endsWith('$'));
}

/** Why a gitignore pattern would never fit anything, or say nothing. */
function uselessness(pattern: string): string | undefined {
  const bare = pattern.trim().replace(/^!/, '');
  if (bare === '' || /^\/+$/.test(bare)) return 'it names nothing';
  if (bare.startsWith('#')) return "it is a comment; write '[#]…' for a name that begins with #";
  if (/(^|[^\\])(\\\\)*\\$/.test(bare)) return 'it ends in a backslash';
  return isOpenBracket(bare) ? "a '[' is not closed; write '[[]' for a name with a bracket" : undefined;
}

/** `[` without its `]`; one right behind it, or behind `!` or `^`, belongs to the set. */
function isOpenBracket(pattern: string): boolean {
  return pattern.replace(/\\./gs, '').replace(/\[[!^]?\]?[^\]]*\]/g, '').includes('[');
}
