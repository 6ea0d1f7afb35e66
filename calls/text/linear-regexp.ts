// Regular expressions from untrusted sources. JavaScript's own expressions can take exponential time; these take linear
// time.

import { RE2JS } from 're2js';

export interface LinearRegExp {
  /** Returns true if `text` contains a match. */
  test(text: string): boolean;
}

/** Compiles RE2 syntax, as in Go: no look-around, no back-references. Returns undefined for an invalid expression. */
export function compileLinearRegExp(source: string): LinearRegExp | undefined {
  try {
    const compiled = RE2JS.compile(source);
    return { test: (text) => compiled.test(text) };
  } catch {
    return undefined;
  }
}

/**
 * Compiles the syntax of JavaScript with the flag `u`, which JSON Schema prescribes, and keeps its meaning. Throws a
 * SyntaxError for an invalid expression, and for one that RE2 cannot run.
 */
export function compileLinearEcmaRegExp(source: string): LinearRegExp {
  // Compile with JavaScript first, which has the best messages for invalid expressions. Compiling takes little time.
  void new RegExp(source, 'u');
  const translated = toRe2(source);
  const compiled = translated === undefined ? undefined : compileLinearRegExp(RE2JS.translateRegExp(translated));
  if (compiled !== undefined) return compiled;
  throw new SyntaxError(
    [
      'patterns run in linear time, so they cannot have look-ahead, look-behind, back-references, ',
      'or repetitions above 1000 (use minLength and maxLength)',
    ].join(''),
  );
}

/** White space of JavaScript (ECMA-262, 12.2 and 12.3), and all other characters, as content of a class. */
const spaces = '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
const noSpaces = [
  '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}',
  '\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}',
].join('');
const lineEnds = '\\n\\r\\x{2028}\\x{2029}';

/** Short names of Unicode categories: RE2 does not know the long names. */
const shortCategories: Readonly<Record<string, string>> = {
  Letter: 'L',
  Lowercase_Letter: 'Ll',
  Uppercase_Letter: 'Lu',
  Number: 'N',
  Decimal_Number: 'Nd',
  Punctuation: 'P',
  Symbol: 'S',
  Separator: 'Z',
  Other: 'C',
};

const tokenPattern = new RegExp(
  [
    '\\\\u(?<high>d[89ab][0-9a-f]{2})\\\\u(?<low>d[c-f][0-9a-f]{2})',
    '\\\\(?<letter>p)\\{(?<property>[^}]*)\\}',
    '\\\\.',
    '\\[\\^?\\]?',
    '.',
  ].join('|'),
  'gisu',
);

/** Rewrites what RE2 reads differently from JavaScript. Returns undefined for a reference to a named group. */
function toRe2(source: string): string | undefined {
  let inClass = false;
  const tokens = [...source.matchAll(tokenPattern)].map(({ 0: token, groups = {} }) => {
    const { high, low, letter, property } = groups;
    if (high !== undefined) return surrogatePair(high, low!);
    if (property !== undefined) return `\\${letter}{${propertyName(property)}}`;
    if (inClass) {
      inClass = token !== ']';
      // Escape `[`, which RE2 could read as the start of a named class, such as [:alpha:].
      return token.startsWith('[') ? escapeInClass(token, () => (inClass = false)) : (inClasses[token] ?? token);
    }
    inClass = token === '[' || token === '[^';
    return outsideClasses[token] ?? token;
  });
  return tokens.includes('\\k') ? undefined : tokens.join('');
}

function escapeInClass(token: string, onEnd: () => void): string {
  if (token.endsWith(']')) onEnd();
  return `\\${token}`;
}

const inClasses: Readonly<Record<string, string>> = { '\\s': spaces, '\\S': noSpaces, '\\b': '\\x08' };

const outsideClasses: Readonly<Record<string, string>> = {
  '\\s': `[${spaces}]`,
  '\\S': `[${noSpaces}]`,
  '.': `[^${lineEnds}]`,
  '[]': '[^\\x{0}-\\x{10ffff}]',
  '[^]': '[\\x{0}-\\x{10ffff}]',
};

function surrogatePair(high: string, low: string): string {
  const character = String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16));
  return `\\x{${character.codePointAt(0)!.toString(16)}}`;
}

function propertyName(property: string): string {
  const name = property.replace(/^(?:Script|sc|Script_Extensions|scx|General_Category|gc)=/, '');
  return shortCategories[name] ?? name;
}
