// YAML text to plain values, with every mistake of the text itself: syntax, keys given twice, aliases that go too far.

import { isAlias, isMap, isScalar, Lexer, LineCounter, parseDocument, Parser, visit } from 'yaml';
import type { Alias, Document, Node, YAMLMap } from 'yaml';
import { quote } from '../../calls/contract/quote.ts';
import type { Problem } from './problem.ts';
import { createSource } from './source.ts';
import type { KeyPath, Source } from './source.ts';

/** Levels of lists and mappings in one another. */
const depthMax = 50;
/** How often aliases may repeat what they stand for, all in all. */
const aliasesMax = 100;

export interface Parsed {
  readonly source: Source;
  /** Absent when the text is so wrong that nothing else can be said of it. */
  readonly value?: unknown;
  readonly problems: readonly Problem[];
}

/** `file` is the name to be shown. */
export function parseYaml(file: string, text: string): Parsed {
  const lines = new LineCounter();
  const deep = tooDeepAt(text);
  const document = parseDocument(deep === undefined ? text : '', { lineCounter: lines, prettyErrors: false, uniqueKeys: false, stringKeys: true });
  if (deep !== undefined) countLines(lines, text);
  const source = createSource(document, { file, text, lines });
  if (deep !== undefined) return { source, problems: [source.problemAt(deep, `lists and mappings are nested more than ${depthMax} deep`)] };
  const problems = [...document.errors, ...document.warnings].map(({ pos, code, message }) => source.problemAt(pos[0], plain(code, message)));
  if (problems.length > 0) return { source, problems: firstPerLine(problems) };
  return evaluate(document, source);
}

/** Where the text goes too deep. Looked at before it is parsed: the parser of documents is recursive, and would take the process with it. */
function tooDeepAt(text: string): number | undefined {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) void token;
    if (parser.stack.length > depthMax * 2) return Math.max(0, parser.offset - 1);
  }
  return undefined;
}

function countLines(lines: LineCounter, text: string): void {
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
}

/** What the parser says to its users is not always of use to ours. */
const sayings: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'only one document is read; remove the line "---" and what follows, or what comes before',
  NON_STRING_KEY: 'a key must be a plain word or a text in quotes',
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
};

function plain(code: string, message: string): string {
  return `not valid YAML: ${sayings[code] ?? message.charAt(0).toLowerCase() + message.slice(1)}`;
}

/** One slip makes the parser stumble several times over. */
function firstPerLine(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter((problem, at) => problems.findIndex(({ line }) => line === problem.line) === at);
}

function evaluate(document: Document, source: Source): Parsed {
  const fatal = aliasProblems(document, source);
  const problems = [...fatal, ...duplicateKeys(document, source)];
  if (fatal.length > 0) return { source, problems };
  try {
    return { source, problems, value: document.toJS({ maxAliasCount: aliasesMax }) as unknown };
  } catch {
    const message = `aliases repeat more than ${aliasesMax} values; write them out, or use fewer`;
    return { source, problems: [...problems, source.problemAt(lastAlias(document)?.range?.[0] ?? 0, message)] };
  }
}

function aliasProblems(document: Document, source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Alias(_key, alias, ancestors) {
      const target = alias.resolve(document);
      const message = target === undefined ? `there is no "&${alias.source}" before this "*${alias.source}"`
        : ancestors.includes(target) ? `"*${alias.source}" stands inside of what it repeats` : undefined;
      if (message !== undefined) problems.push(source.problemAt(alias.range?.[0] ?? 0, message));
    },
  });
  return problems;
}

function lastAlias(document: Document): Alias | undefined {
  let last: Alias | undefined;
  visit(document, { Alias: (_key, alias) => { last = alias; } });
  return last;
}

/** The parser would name neither the key nor the place of the first. */
function duplicateKeys(document: Document, source: Source): readonly Problem[] {
  const problems: Problem[] = [];
  const look = (node: unknown, path: KeyPath): void => {
    if (isAlias(node) || typeof node !== 'object' || node === null) return;
    if (isMap(node)) problems.push(...duplicatesIn(node, path, source));
    for (const [key, child] of childrenOf(node as Node)) look(child, [...path, key]);
  };
  look(document.contents, []);
  return problems;
}

function duplicatesIn(map: YAMLMap, path: KeyPath, source: Source): readonly Problem[] {
  const first = new Map<string, number>();
  return map.items.flatMap(({ key }) => {
    if (!isScalar(key)) return [];
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, offset);
    return earlier === undefined ? [] : [source.problemAt(offset, `the key ${quote(name)} is given twice, first in line ${source.lineOf(earlier)}`, source.pathText(path))];
  });
}

function childrenOf(node: Node): readonly (readonly [string | number, unknown])[] {
  const items = (node as { items?: readonly unknown[] }).items ?? [];
  if (!isMap(node)) return items.map((item, at) => [at, item] as const);
  return node.items.map(({ key, value }) => [isScalar(key) ? String(key.value) : '', value] as const);
}
