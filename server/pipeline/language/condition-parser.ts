// Parses conditions. From low to high precedence: `||`, `&&`, `!`, comparisons and parentheses.

import { truncate } from '../../../calls/text/quote.ts';
import type { Expression, Operand } from './condition.ts';
import {
  type ConditionError,
  ConditionSyntaxError,
  type Punctuator,
  type Token,
  tokenize,
} from './condition-tokens.ts';
import { conditionDepthMax } from './limits.ts';

export type ParsedCondition = { readonly expression: Expression } | { readonly error: ConditionError };

/** Returns the expression, or the first error. Never throws. */
export function parseCondition(text: string): ParsedCondition {
  try {
    const reader = createReader(text);
    const expression = readOr(reader, 0);
    const rest = reader.peek();
    if (rest !== undefined) throw unexpectedToken(reader, rest);
    return { expression };
  } catch (error) {
    if (error instanceof ConditionSyntaxError) return { error: error.details };
    throw error;
  }
}

interface Reader {
  readonly text: string;
  peek(): Token | undefined;
  next(): Token | undefined;
  /** Consumes the next token if it is one of these punctuators. */
  take(...marks: readonly Punctuator[]): Punctuator | undefined;
  /** Returns the token that was consumed last. */
  last(): Token | undefined;
}

function createReader(text: string): Reader {
  const tokens = tokenize(text);
  let at = 0;
  return {
    text,
    peek: () => tokens[at],
    next: () => tokens[at++],
    last: () => tokens[at - 1],
    take(...marks) {
      const mark = readPunctuator(tokens[at]);
      if (mark === undefined || !marks.includes(mark)) return undefined;
      at += 1;
      return mark;
    },
  };
}

function readPunctuator(token: Token | undefined): Punctuator | undefined {
  return token !== undefined && 'mark' in token ? token.mark : undefined;
}

function readOr(reader: Reader, depth: number): Expression {
  const parts = [readAnd(reader, depth)];
  while (reader.take('||') !== undefined) parts.push(readAnd(reader, depth));
  return parts.length === 1 ? parts[0]! : { type: 'or', parts };
}

function readAnd(reader: Reader, depth: number): Expression {
  const parts = [readNot(reader, depth)];
  while (reader.take('&&') !== undefined) parts.push(readNot(reader, depth));
  return parts.length === 1 ? parts[0]! : { type: 'and', parts };
}

function readNot(reader: Reader, depth: number): Expression {
  const start = reader.peek();
  if (start !== undefined && depth > conditionDepthMax)
    throw new ConditionSyntaxError(`nested more than ${conditionDepthMax} levels deep`, start);
  if (reader.take('!') === undefined) return readComparison(reader, depth);
  const part = readNot(reader, depth + 1);
  if ((part.type !== 'equal' && part.type !== 'differ') || readPunctuator(reader.last()) === ')')
    return { type: 'not', part };
  const written = reader.text.slice(start!.at + 1, tokenEnd(reader.last()!)).trim();
  throw new ConditionSyntaxError(`'!' before a comparison is ambiguous: it applies to a single operand`, start!, [
    `write !(${truncate(written)}), or compare with '${part.type === 'equal' ? '!=' : '=='}'`,
  ]);
}

function readComparison(reader: Reader, depth: number): Expression {
  if (reader.take('(') !== undefined) return readGroup(reader, depth);
  const left = readOperand(reader);
  const operator = reader.take('==', '!=');
  if (operator === undefined) return { type: 'operand', operand: left };
  const right = readOperand(reader);
  return { type: operator === '==' ? 'equal' : 'differ', left, right };
}

function readGroup(reader: Reader, depth: number): Expression {
  const open = reader.last()!;
  const expression = readOr(reader, depth + 1);
  const rest = reader.peek();
  if (rest === undefined)
    throw new ConditionSyntaxError("the '(' is not closed", open, ["add ')' where the group ends"]);
  if (reader.take(')') === undefined) throw unexpectedToken(reader, rest);
  return expression;
}

function readOperand(reader: Reader): Operand {
  const before = reader.last();
  const token = reader.next();
  const after =
    before === undefined
      ? 'expected a variable or a string'
      : `expected a variable or a string after '${tokenText(reader, before)}'`;
  if (token === undefined) throw new ConditionSyntaxError(after, before === undefined ? { at: 0, length: 1 } : before);
  if ('operand' in token) return token.operand;
  throw new ConditionSyntaxError(`${after}, found '${token.mark}'`, token);
}

/** Error for a token after a complete expression. */
function unexpectedToken(reader: Reader, token: Token): ConditionSyntaxError {
  const mark = readPunctuator(token);
  if (mark === ')')
    return new ConditionSyntaxError("the ')' has no matching '('", token, ["remove it, or add '(' before it"]);
  if (mark === '==' || mark === '!=')
    return new ConditionSyntaxError(
      `'${mark}' compares two operands, but there is more than one operand before it`,
      token,
      ["join comparisons with '&&' or '||'"],
    );
  return new ConditionSyntaxError(`expected an operator before '${tokenText(reader, token)}'`, token, [
    "write '&&', '||', '==' or '!=' between two operands",
    'put a string with spaces in quotes',
  ]);
}

function tokenText({ text }: Reader, token: Token): string {
  return truncate(text.slice(token.at, tokenEnd(token)));
}

function tokenEnd({ at, length }: Token): number {
  return at + length;
}
