// Reads YAML text into a document and reports every error of the text itself: syntax, duplicate keys and unresolved
// aliases.

import type { CST, Document, YAMLMap } from 'yaml';
import { Composer, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import { quote } from '../../calls/text/quote.ts';
import type { Aliases } from './aliases.ts';
import { resolveAliases } from './aliases.ts';
import { isMergeKey, mergeErrors } from './merge-keys.ts';
import type { YamlError } from './yaml-error.ts';
import { firstErrorPerLine } from './yaml-error.ts';

/** Maximum number of nesting levels of lists and mappings. */
const depthMax = 50;
/**
 * Maximum number of tokens: words, punctuation, runs of spaces and line ends. A typical file has six per line; this
 * many take at most half a second.
 */
const tokensMax = 120_000;

export interface YamlDocument {
  readonly text: string;
  readonly lines: LineCounter;
  readonly document: Document;
  readonly aliases: Aliases;
  /** All errors of the text, in no particular order. */
  readonly errors: readonly YamlError[];
  /** False if the text cannot be interpreted any further. */
  readonly readable: boolean;
}

/**
 * Reads one document of YAML 1.2 with the core schema. Never throws. Takes time proportional to the text; a text with
 * more than `tokensMax` tokens is an error.
 */
export function readYaml(text: string): YamlDocument {
  const lines = lineCounter(text);
  const invalid = findInvalidCharacter(text);
  const { tokens, limitError } = invalid === undefined ? tokenize(text) : { tokens: [], limitError: invalid };
  const { document, errors } =
    limitError === undefined ? compose(tokens, text) : { document: compose([], '').document, errors: [limitError] };
  // Search only if there can be aliases: most texts have none, and the search takes as long as everything else.
  const aliases = text.includes('*') ? resolveAliases(document) : { targets: new Map(), errors: [] };
  const base = { text, lines, document, aliases };
  if (errors.length > 0) return { ...base, errors: firstErrorPerLine(errors, lines), readable: false };
  const merges = text.includes('<<') && aliases.errors.length === 0 ? mergeErrors(document, aliases.targets) : [];
  return {
    ...base,
    errors: [...aliases.errors, ...merges, ...findDuplicateKeys(document, lines)],
    readable: aliases.errors.length === 0,
  };
}

/** YAML does not allow NUL, and half of a surrogate pair cannot be encoded as UTF-8. */
function findInvalidCharacter(text: string): YamlError | undefined {
  const nul = text.indexOf('\0');
  if (nul !== -1) return { kind: 'bound', offset: nul, message: 'the text has a NUL character; remove it' };
  const half = text.search(/\p{Surrogate}/u);
  return half === -1
    ? undefined
    : { kind: 'bound', offset: half, message: 'the text has half of a character, which UTF-8 cannot hold' };
}

function lineCounter(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
  return lines;
}

interface Tokens {
  readonly tokens: readonly CST.Token[];
  /**
   * Set if the text exceeds a limit. Checked before composing, because composing is recursive and would overflow the
   * stack.
   */
  readonly limitError?: YamlError;
}

function tokenize(text: string): Tokens {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  const stop = (message: string): Tokens => ({
    tokens,
    limitError: { kind: 'bound', offset: Math.max(0, parser.offset - 1), message },
  });
  let count = 0;
  for (const sourceToken of new Lexer().lex(text)) {
    for (const token of parser.next(sourceToken)) tokens.push(token);
    count += 1;
    if (parser.stack.length > depthMax * 2)
      return stop(`lists and mappings are nested more than ${depthMax} levels deep`);
    if (count > tokensMax)
      return stop(`the text has more than ${tokensMax} words and punctuation marks; split it into several files`);
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens };
}

interface Composed {
  readonly document: Document;
  readonly errors: readonly YamlError[];
}

/**
 * Composes the document without the composer's own check for duplicate keys. That check names neither the key nor the
 * first position, and takes quadratic time.
 */
function compose(tokens: readonly CST.Token[], text: string): Composed {
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, stringKeys: true });
  const { document, second } = withoutStackTraces(() => firstTwoDocuments(composer.compose(tokens, true, text.length)));
  if (document === undefined) throw new Error('the composer returned no document');
  const errors = [...document.errors, ...document.warnings].map(({ pos, code, message }) =>
    syntaxError(pos[0], code, message),
  );
  if (second !== undefined) errors.push(syntaxError(second.range[0], 'MULTIPLE_DOCS', ''));
  if (document.directives?.yaml.version === '1.1') errors.push(syntaxError(text.indexOf('%YAML'), 'YAML_VERSION', ''));
  return { document, errors: errors };
}

/** Takes the first two documents. The rest of the text is not composed. */
function firstTwoDocuments(documents: Iterable<Document.Parsed>): {
  readonly document: Document.Parsed | undefined;
  readonly second: Document.Parsed | undefined;
} {
  const [document, second] = documents;
  return { document, second };
}

/**
 * Runs `work` without stack traces. Every parser error would capture one, which costs more than parsing, and an invalid
 * text can have a hundred thousand errors.
 */
function withoutStackTraces<T>(work: () => T): T {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** Replacements for parser messages that do not help users. */
const clearerMessages: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'only one document is allowed; remove the line "---" and one of the two documents',
  NON_STRING_KEY: 'a key must be a plain word or a quoted string',
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
  YAML_VERSION: 'only YAML 1.2 is supported; remove the line "%YAML"',
};

function syntaxError(offset: number, code: string, message: string): YamlError {
  return {
    kind: 'syntax',
    offset: Math.max(0, offset),
    code,
    message: clearerMessages[code] ?? message.charAt(0).toLowerCase() + message.slice(1),
  };
}

/**
 * A key that leads to a node, with a link to the keys above it. Most paths are never read, so they are not built as
 * lists.
 */
interface PathLink {
  readonly key: string | number;
  readonly parent?: PathLink | undefined;
}

function findDuplicateKeys(document: Document, lines: LineCounter): readonly YamlError[] {
  const errors: YamlError[] = [];
  const visitNode = (node: unknown, link?: PathLink): void => {
    if (isMap(node))
      for (const error of duplicatesInMapping(node, lines)) errors.push({ ...error, path: linkedPath(link) });
    if (isMap(node))
      for (const { key, value } of node.items)
        visitNode(value, { key: isScalar(key) ? String(key.value) : '', parent: link });
    if (isSeq(node)) for (const [key, item] of node.items.entries()) visitNode(item, { key, parent: link });
  };
  visitNode(document.contents);
  return errors;
}

function linkedPath(link: PathLink | undefined): readonly (string | number)[] {
  return link === undefined ? [] : [...linkedPath(link.parent), link.key];
}

function duplicatesInMapping(map: YAMLMap, lines: LineCounter): readonly YamlError[] {
  const first = new Map<string, number>();
  const errors: YamlError[] = [];
  for (const { key } of map.items) {
    // Several merge keys are not duplicates: they count as one merge key with a list.
    if (!isScalar(key) || isMergeKey(key)) continue;
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, offset);
    else
      errors.push({
        kind: 'duplicate',
        offset,
        message: `the key ${quote(name)} is defined twice, first in line ${lines.linePos(earlier).line}`,
      });
  }
  return errors;
}
