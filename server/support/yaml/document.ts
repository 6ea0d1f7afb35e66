// YAML text to a document, with every mistake of the text itself: syntax, keys given twice, aliases that lead nowhere.

import { Composer, isMap, isScalar, Lexer, LineCounter, Parser } from 'yaml';
import type { CST, Document, Node, YAMLMap } from 'yaml';
import { quote } from '../../../calls/contract/quote.ts';
import { resolveAliases } from './aliases.ts';
import type { Aliases } from './aliases.ts';
import { firstPerLine } from './fault.ts';
import type { Fault } from './fault.ts';

/** Levels of lists and mappings in one another. */
const depthMax = 50;
/** Words, marks, runs of spaces and line ends. An ordinary file has six in a line; this many take the parser a third of a second, whatever they are. */
const lexemesMax = 150_000;

export interface YamlDocument {
  readonly text: string;
  readonly lines: LineCounter;
  readonly document: Document;
  readonly aliases: Aliases;
  /** In no order. */
  readonly faults: readonly Fault[];
  /** False when the text is so wrong that nothing else can be said of it. */
  readonly readable: boolean;
}

/** Reads one document of YAML 1.2, core schema. Never throws, and takes time in proportion to the text, up to a bound. */
export function readYaml(text: string): YamlDocument {
  const lines = lineCounter(text);
  const { tokens, beyond } = tokenize(text);
  const { document, faults } = beyond === undefined ? compose(tokens, text) : { document: compose([], '').document, faults: [beyond] };
  const aliases = resolveAliases(document);
  const told = { text, lines, document, aliases };
  if (faults.length > 0) return { ...told, faults: firstPerLine(faults, lines), readable: false };
  return { ...told, faults: [...aliases.faults, ...duplicateKeys(document, lines)], readable: aliases.faults.length === 0 };
}

function lineCounter(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
  return lines;
}

interface Tokens {
  readonly tokens: readonly CST.Token[];
  /** The text goes too far. Looked at before documents are made: that is recursive, and would take the process with it. */
  readonly beyond?: Fault;
}

function tokenize(text: string): Tokens {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  const stop = (message: string): Tokens => ({ tokens, beyond: { kind: 'bound', offset: Math.max(0, parser.offset - 1), message } });
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    count += 1;
    if (parser.stack.length > depthMax * 2) return stop(`lists and mappings are nested more than ${depthMax} deep`);
    if (count > lexemesMax) return stop(`the text has more than ${lexemesMax} words and marks; make several files of it`);
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens };
}

interface Composed {
  readonly document: Document;
  readonly faults: readonly Fault[];
}

/** Keys given twice are looked for by ourselves: the composer would name neither the key nor the place of the first, and takes the square of their number. */
function compose(tokens: readonly CST.Token[], text: string): Composed {
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, stringKeys: true });
  const [document, second] = withoutTraces(() => [...composer.compose(tokens, true, text.length)]);
  if (document === undefined) throw new Error('the composer gives a document for any text');
  const told = [...document.errors, ...document.warnings].map(({ pos, code, message }) => syntax(pos[0], code, message));
  if (second !== undefined) told.push(syntax(second.range[0], 'MULTIPLE_DOCS', ''));
  if (document.directives?.yaml.version === '1.1') told.push(syntax(text.indexOf('%YAML'), 'YAML_VERSION', ''));
  return { document, faults: told };
}

/** Each of its errors looks at the stack, which takes longer than all the rest. A text of nothing but mistakes has a hundred thousand of them. */
function withoutTraces<T>(work: () => T): T {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** What the parser says to its users is not always of use to ours. */
const sayings: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'only one document is read; remove the line "---" and what follows, or what comes before',
  NON_STRING_KEY: 'a key must be a plain word or a text in quotes',
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
  YAML_VERSION: 'only YAML 1.2 is read; remove the line that says otherwise',
};

function syntax(offset: number, code: string, message: string): Fault {
  return { kind: 'syntax', offset: Math.max(0, offset), code, message: sayings[code] ?? message.charAt(0).toLowerCase() + message.slice(1) };
}

function duplicateKeys(document: Document, lines: LineCounter): readonly Fault[] {
  const faults: Fault[] = [];
  const look = (node: unknown, path: readonly (string | number)[]): void => {
    if (typeof node !== 'object' || node === null) return;
    if (isMap(node)) for (const fault of duplicatesIn(node, lines)) faults.push({ ...fault, path });
    for (const [key, child] of childrenOf(node as Node)) look(child, [...path, key]);
  };
  look(document.contents, []);
  return faults;
}

function duplicatesIn(map: YAMLMap, lines: LineCounter): readonly Fault[] {
  const first = new Map<string, number>();
  return map.items.flatMap(({ key }) => {
    if (!isScalar(key)) return [];
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, offset);
    return earlier === undefined ? [] : [{ kind: 'duplicate' as const, offset, message: `the key ${quote(name)} is given twice, first in line ${lines.linePos(earlier).line}` }];
  });
}

function childrenOf(node: Node): readonly (readonly [string | number, unknown])[] {
  const items = (node as { items?: readonly unknown[] }).items ?? [];
  if (!isMap(node)) return items.map((item, at) => [at, item] as const);
  return node.items.map(({ key, value }) => [isScalar(key) ? String(key.value) : '', value] as const);
}
