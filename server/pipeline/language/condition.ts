// Conditions: what their text means, and whether they hold.

import type { Place } from './place.ts';

export interface Condition {
  readonly text: string;
  readonly place: Place;
  readonly expression: Expression;
}

export type Expression =
  | { readonly type: 'or' | 'and'; readonly parts: readonly Expression[] }
  | { readonly type: 'not'; readonly part: Expression }
  | { readonly type: 'equal' | 'differ'; readonly left: Operand; readonly right: Operand }
  | { readonly type: 'operand'; readonly operand: Operand };

/** A variable by its name, or a text that stands for itself. */
export type Operand = { readonly variable: string } | { readonly text: string };

/** The value of a variable; undefined counts as empty. */
export type Lookup = (name: string) => string | undefined;

/** Whether the condition holds. An operand is false when it is empty, `false` or `0`. */
export function holds({ expression }: Pick<Condition, 'expression'>, lookup: Lookup): boolean {
  return isTrue(expression, lookup);
}

function isTrue(expression: Expression, lookup: Lookup): boolean {
  switch (expression.type) {
    case 'or': return expression.parts.some((part) => isTrue(part, lookup));
    case 'and': return expression.parts.every((part) => isTrue(part, lookup));
    case 'not': return !isTrue(expression.part, lookup);
    case 'equal': return valueOf(expression.left, lookup) === valueOf(expression.right, lookup);
    case 'differ': return valueOf(expression.left, lookup) !== valueOf(expression.right, lookup);
    case 'operand': return !['', 'false', '0'].includes(valueOf(expression.operand, lookup));
    default: return expression satisfies never;
  }
}

function valueOf(operand: Operand, lookup: Lookup): string {
  return 'text' in operand ? operand.text : lookup(operand.variable) ?? '';
}
