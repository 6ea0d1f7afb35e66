// A condition cut into its words and marks.

import { cut } from '../../../calls/contract/quote.ts';
import type { Operand } from './condition.ts';

export type Mark = '||' | '&&' | '==' | '!=' | '!' | '(' | ')';

export type Token = { readonly at: number; readonly length: number } & ({ readonly mark: Mark } | { readonly operand: Operand });

/** Where a condition is no condition; offsets are in its text. */
export interface ConditionFault {
  readonly message: string;
  readonly at: number;
  /** At least 1. */
  readonly length: number;
  readonly suggestions: readonly string[];
}

/** Thrown and caught within the parser only. */
export class NotACondition extends Error {
  readonly fault: ConditionFault;

  constructor(message: string, { at, length }: Pick<ConditionFault, 'at' | 'length'>, suggestions: readonly string[] = []) {
    super(message);
    this.fault = { message, at, length: Math.max(1, length), suggestions };
  }
}

const marks = /\|\||&&|==|!=|[!()]/y;
const variable = /\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/y;
const quoted = /"([^"]*)"|'([^']*)'/y;
const bareword = /[^\s()!=&|<>$"']+/y;
const space = /\s+/y;

/** Throws NotACondition. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.length;
  }
  return tokens;
}

function skipSpace(text: string, at: number): number {
  return at + (match(space, text, at)?.[0].length ?? 0);
}

function tokenAt(text: string, at: number): Token {
  const mark = match(marks, text, at);
  if (mark !== undefined) return { at, length: mark[0].length, mark: mark[0] as Mark };
  const name = match(variable, text, at);
  if (name !== undefined) return { at, length: name[0].length, operand: { variable: name[1] ?? name[2]! } };
  const literal = match(quoted, text, at);
  if (literal !== undefined) return { at, length: literal[0].length, operand: { text: literal[1] ?? literal[2]! } };
  const word = match(bareword, text, at);
  if (word !== undefined) return { at, length: word[0].length, operand: { text: word[0] } };
  throw strangeAt(text, at);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function strangeAt(text: string, at: number): NotACondition {
  const char = text[at]!;
  const spot = { at, length: 1 };
  switch (char) {
    case '=': return new NotACondition("'=' is not an operator", spot, ["write '==' to compare"]);
    case '&': case '|': return new NotACondition(`'${char}' is not an operator`, spot, [`write '${char}${char}'`]);
    case '"': case "'": return new NotACondition(`the quote ${char} is not closed`, { at, length: text.length - at });
    case '$': return strangeVariable(text, at);
    default: return new NotACondition(`'${char}' is not an operator`, spot, ["compare with '==' or '!=' only, or put the text in quotes"]);
  }
}

function strangeVariable(text: string, at: number): NotACondition {
  const [written] = /^\$(\{[^}]*\}?)?/.exec(text.slice(at)) ?? ['$'];
  const spot = { at, length: written.length };
  if (/^\$\{[A-Za-z_][A-Za-z0-9_]*$/.test(written)) return new NotACondition(`'${cut(written)}' is not closed`, spot, ["write '}' behind the name"]);
  return new NotACondition("'$' must be followed by a name", spot, ['write $NAME or ${NAME}, the name of letters, digits and _']);
}
