// Conditions of jobs: their expression tree and its evaluation.

import type { SourceLocation } from '../../../calls/text/diagnostic.ts';

export interface Condition {
  readonly text: string;
  readonly location: SourceLocation;
  readonly expression: Expression;
}

export type Expression =
  | { readonly type: 'or' | 'and'; readonly parts: readonly Expression[] }
  | { readonly type: 'not'; readonly part: Expression }
  | { readonly type: 'equal' | 'differ'; readonly left: Operand; readonly right: Operand }
  | { readonly type: 'operand'; readonly operand: Operand };

/** A variable by name, or a literal string. */
export type Operand = { readonly variable: string } | { readonly text: string };

/** Returns the value of a variable. Undefined is treated as an empty value. */
export type Lookup = (name: string) => string | undefined;

/**
 * Returns the value of a condition. An operand without a comparison is false if it is empty, `false` or `0`, and
 * otherwise true.
 */
export function evaluate({ expression }: Pick<Condition, 'expression'>, lookup: Lookup): boolean {
  return evaluateExpression(expression, lookup);
}

function evaluateExpression(expression: Expression, lookup: Lookup): boolean {
  switch (expression.type) {
    case 'or':
      return expression.parts.some((part) => evaluateExpression(part, lookup));
    case 'and':
      return expression.parts.every((part) => evaluateExpression(part, lookup));
    case 'not':
      return !evaluateExpression(expression.part, lookup);
    case 'equal':
      return operandValue(expression.left, lookup) === operandValue(expression.right, lookup);
    case 'differ':
      return operandValue(expression.left, lookup) !== operandValue(expression.right, lookup);
    case 'operand':
      return !['', 'false', '0'].includes(operandValue(expression.operand, lookup));
    default:
      return expression satisfies never;
  }
}

function operandValue(operand: Operand, lookup: Lookup): string {
  return 'text' in operand ? operand.text : (lookup(operand.variable) ?? '');
}
