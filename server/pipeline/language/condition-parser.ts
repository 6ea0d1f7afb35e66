// The grammar of conditions: `||` of `&&` of `!`, parentheses and comparisons of two operands.

import { cut } from '../../../calls/contract/quote.ts';
import { conditionDepthMax } from './bounds.ts';
import type { Expression, Operand } from './condition.ts';
import { NotACondition, tokensOf, type ConditionFault, type Mark, type Token } from './condition-tokens.ts';

export type ParsedCondition = { readonly expression: Expression } | { readonly fault: ConditionFault };

/** Never throws. */
export function parseCondition(text: string): ParsedCondition {
  try {
    const reader = createReader(text);
    const expression = readOr(reader, 0);
    const rest = reader.peek();
    if (rest !== undefined) throw unexpected(reader, rest);
    return { expression };
  } catch (error) {
    if (error instanceof NotACondition) return { fault: error.fault };
    throw error;
  }
}

interface Reader {
  readonly text: string;
  peek(): Token | undefined;
  next(): Token | undefined;
  /** Takes the next token when it is this mark. */
  take(...marks: readonly Mark[]): Mark | undefined;
  /** What was taken last. */
  last(): Token | undefined;
}

function createReader(text: string): Reader {
  const tokens = tokensOf(text);
  let at = 0;
  return {
    text,
    peek: () => tokens[at],
    next: () => tokens[at++],
    last: () => tokens[at - 1],
    take(...marks) {
      const mark = markOf(tokens[at]);
      if (mark === undefined || !marks.includes(mark)) return undefined;
      at += 1;
      return mark;
    },
  };
}

function markOf(token: Token | undefined): Mark | undefined {
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
  if (start !== undefined && depth > conditionDepthMax) throw new NotACondition(`nested more than ${conditionDepthMax} deep`, start);
  if (reader.take('!') === undefined) return readComparison(reader, depth);
  const part = readNot(reader, depth + 1);
  if (part.type !== 'equal' && part.type !== 'differ' || markOf(reader.last()) === ')') return { type: 'not', part };
  const written = reader.text.slice(start!.at + 1, endOf(reader.last()!)).trim();
  throw new NotACondition(`'!' before a comparison is ambiguous: it applies to a single operand`, start!, [`write !(${cut(written)}), or compare with '${part.type === 'equal' ? '!=' : '=='}'`]);
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
  if (rest === undefined) throw new NotACondition("the '(' is not closed", open, ["write ')' where it ends"]);
  if (reader.take(')') === undefined) throw unexpected(reader, rest);
  return expression;
}

function readOperand(reader: Reader): Operand {
  const before = reader.last();
  const token = reader.next();
  const after = before === undefined ? 'expected a variable or a text' : `expected a variable or a text after '${wordOf(reader, before)}'`;
  if (token === undefined) throw new NotACondition(after, before === undefined ? { at: 0, length: 1 } : before);
  if ('operand' in token) return token.operand;
  throw new NotACondition(`${after}, found '${token.mark}'`, token);
}

/** Something stands behind what is whole. */
function unexpected(reader: Reader, token: Token): NotACondition {
  const mark = markOf(token);
  if (mark === ')') return new NotACondition("the ')' closes nothing", token, ["take it away, or write '(' before it"]);
  if (mark === '==' || mark === '!=') return new NotACondition(`'${mark}' compares two operands, and what stands before it is more than one`, token, ["join comparisons with '&&' or '||'"]);
  return new NotACondition(`expected an operator before '${wordOf(reader, token)}'`, token, ["write '&&', '||', '==' or '!=' between two operands", 'put a text with spaces in quotes']);
}

function wordOf({ text }: Reader, token: Token): string {
  return cut(text.slice(token.at, endOf(token)));
}

function endOf({ at, length }: Token): number {
  return at + length;
}
