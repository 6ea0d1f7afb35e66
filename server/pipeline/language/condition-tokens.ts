// Splits a condition into tokens.

import { truncate } from '../../../calls/text/quote.ts';
import type { Operand } from './condition.ts';

export type Punctuator = '||' | '&&' | '==' | '!=' | '!' | '(' | ')';

export type Token = { readonly at: number; readonly length: number } & (
  | { readonly mark: Punctuator }
  | { readonly operand: Operand }
);

/** An error in a condition. `at` counts from the start of the condition's text. */
export interface ConditionError {
  readonly message: string;
  readonly at: number;
  /** At least 1. */
  readonly length: number;
  readonly suggestions: readonly string[];
}

/** Thrown and caught only inside the parser. */
export class ConditionSyntaxError extends Error {
  readonly details: ConditionError;

  constructor(
    message: string,
    { at, length }: Pick<ConditionError, 'at' | 'length'>,
    suggestions: readonly string[] = [],
  ) {
    super(message);
    this.details = { message, at, length: Math.max(1, length), suggestions };
  }
}

const punctuatorPattern = /\|\||&&|==|!=|[!()]/y;
const variablePattern = /\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/y;
const quotedPattern = /"([^"]*)"|'([^']*)'/y;
const barewordPattern = /[^\s()!=&|<>$"']+/y;
const spacePattern = /\s+/y;

/** Returns all tokens. Throws ConditionSyntaxError. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.length;
  }
  return tokens;
}

function skipSpace(text: string, at: number): number {
  return at + (match(spacePattern, text, at)?.[0].length ?? 0);
}

function tokenAt(text: string, at: number): Token {
  const mark = match(punctuatorPattern, text, at);
  if (mark !== undefined) return { at, length: mark[0].length, mark: mark[0] as Punctuator };
  const name = match(variablePattern, text, at);
  if (name !== undefined) return { at, length: name[0].length, operand: { variable: name[1] ?? name[2]! } };
  const literal = match(quotedPattern, text, at);
  if (literal !== undefined) return { at, length: literal[0].length, operand: { text: literal[1] ?? literal[2]! } };
  const word = match(barewordPattern, text, at);
  if (word !== undefined) return { at, length: word[0].length, operand: { text: word[0] } };
  throw unexpectedCharacter(text, at);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function unexpectedCharacter(text: string, at: number): ConditionSyntaxError {
  const char = text[at]!;
  const position = { at, length: 1 };
  switch (char) {
    case '=':
      return new ConditionSyntaxError("'=' is not an operator", position, ["write '==' to compare"]);
    case '&':
    case '|':
      return new ConditionSyntaxError(`'${char}' is not an operator`, position, [`write '${char}${char}'`]);
    case '"':
    case "'":
      return new ConditionSyntaxError(`the quote ${char} is not closed`, { at, length: text.length - at });
    case '$':
      return malformedVariable(text, at);
    default:
      return new ConditionSyntaxError(`'${char}' is not an operator`, position, [
        "compare with '==' or '!=' only, or put the string in quotes",
      ]);
  }
}

function malformedVariable(text: string, at: number): ConditionSyntaxError {
  const [written] = /^\$(\{[^}]*\}?)?/.exec(text.slice(at)) ?? ['$'];
  const position = { at, length: written.length };
  if (/^\$\{[A-Za-z_][A-Za-z0-9_]*$/.test(written))
    return new ConditionSyntaxError(`'${truncate(written)}' is not closed`, position, ["add '}' after the name"]);
  return new ConditionSyntaxError("'$' must be followed by a name", position, [
    'write $NAME or ${NAME}, with a name of letters, digits and _',
  ]);
}
