// The key `copyIgnore`: gitignore patterns, and regular expressions as pin accepts them, of files that are not copied.

import { type Field, type Key, reportInvalid } from '../field.ts';
import type { IgnorePattern } from '../model.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings, type StringItem } from './string-list.ts';

export const copyIgnoreKey: Key<readonly IgnorePattern[]> = {
  summary:
    'Files that copyFiles does not copy, as gitignore patterns. A pattern that looks like a regular' +
    'expression may match anywhere in the path.',
  schema: oneOrMore(),
  read: (field) =>
    readStrings(field, {
      all: `${field.name} items`,
      empty: (index) =>
        index === undefined ? `${field.name} cannot be empty` : `${field.name} item at index ${index} cannot be empty`,
    })?.flatMap((item) => readPattern(field, item)),
};

function readPattern(field: Field, { text, value, index }: StringItem): readonly IgnorePattern[] {
  const regexpStatus = looksLikeRegexp(text) ? field.context.checkRegexp(text) : 'invalid';
  if (regexpStatus === 'valid') return [{ expression: text }];
  const why =
    regexpStatus === 'over-budget'
      ? 'the file has too many regular expressions with repetitions'
      : gitignoreError(text);
  if (why === undefined) return [{ gitignore: text }];
  reportInvalid(
    field,
    `${field.name} item${index === undefined ? '' : ` at index ${index}`} is neither a gitignore ` +
      `pattern nor a regular expression: ${why}`,
    { at: value },
  );
  return [];
}

/** True for text with a backslash, `|`, `.+` or `.*` (except `.*` alone), a leading `^` or a trailing `$`. */
function looksLikeRegexp(text: string): boolean {
  return text !== '.*' && (/[\\|]|\.[+*]/.test(text) || text.startsWith('^') || text.endsWith('$'));
}

/** Returns why a gitignore pattern can never match, or undefined. */
function gitignoreError(pattern: string): string | undefined {
  const bare = pattern.trim().replace(/^!/, '');
  if (bare === '' || /^\/+$/.test(bare)) return 'it matches nothing';
  if (bare.startsWith('#')) return "it is a comment; write '[#]…' for a name that begins with #";
  if (/(^|[^\\])(\\\\)*\\$/.test(bare)) return 'it ends in a backslash';
  return isOpenBracket(bare) ? "a '[' is not closed; write '[[]' for a name with a bracket" : undefined;
}

/** True if a `[` has no closing `]`. A `]` right after `[`, `[!` or `[^` is part of the set and does not close it. */
function isOpenBracket(pattern: string): boolean {
  return pattern
    .replace(/\\./gs, '')
    .replace(/\[[!^]?\]?[^\]]*\]/g, '')
    .includes('[');
}
