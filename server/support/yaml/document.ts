// YAML text to a document, with every mistake of the text itself: syntax, keys given twice, aliases that lead nowhere.

import { Composer, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import type { CST, Document, YAMLMap } from 'yaml';
import { quote } from '../../../calls/contract/quote.ts';
import { resolveAliases } from './aliases.ts';
import type { Aliases } from './aliases.ts';
import { firstPerLine } from './fault.ts';
import type { Fault } from './fault.ts';

/** Levels of lists and mappings in one another. */
const depthMax = 50;
/** Words, marks, runs of spaces and line ends. An ordinary file has six in a line; this many take half a second at worst. */
const lexemesMax = 120_000;

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
  // Most texts have none, and looking for them takes as long as the rest.
  const aliases = text.includes('*') ? resolveAliases(document) : { targets: new Map(), faults: [] };
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
  const { document, second } = withoutTraces(() => firstTwo(composer.compose(tokens, true, text.length)));
  if (document === undefined) throw new Error('the composer gives a document for any text');
  const told = [...document.errors, ...document.warnings].map(({ pos, code, message }) => syntax(pos[0], code, message));
  if (second !== undefined) told.push(syntax(second.range[0], 'MULTIPLE_DOCS', ''));
  if (document.directives?.yaml.version === '1.1') told.push(syntax(text.indexOf('%YAML'), 'YAML_VERSION', ''));
  return { document, faults: told };
}

/** What comes after is not even looked at. */
function firstTwo(documents: Iterable<Document.Parsed>): { readonly document: Document.Parsed | undefined; readonly second: Document.Parsed | undefined } {
  const [document, second] = documents;
  return { document, second };
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

/** Keys that lead to a node, the last one first: most of them are never asked for. */
interface Way {
  readonly key: string | number;
  readonly above?: Way | undefined;
}

function duplicateKeys(document: Document, lines: LineCounter): readonly Fault[] {
  const faults: Fault[] = [];
  const look = (node: unknown, way?: Way): void => {
    if (isMap(node)) for (const fault of duplicatesIn(node, lines)) faults.push({ ...fault, path: pathOf(way) });
    if (isMap(node)) for (const { key, value } of node.items) look(value, { key: isScalar(key) ? String(key.value) : '', above: way });
    if (isSeq(node)) for (const [key, item] of node.items.entries()) look(item, { key, above: way });
  };
  look(document.contents);
  return faults;
}

function pathOf(way: Way | undefined): readonly (string | number)[] {
  return way === undefined ? [] : [...pathOf(way.above), way.key];
}

function duplicatesIn(map: YAMLMap, lines: LineCounter): readonly Fault[] {
  const first = new Map<string, number>();
  const faults: Fault[] = [];
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, offset);
    else faults.push({ kind: 'duplicate', offset, message: `the key ${quote(name)} is given twice, first in line ${lines.linePos(earlier).line}` });
  }
  return faults;
}
