// What is wrong with a value, in the words of a sentence that begins with it: "must match pattern …".

import type { ErrorObject } from 'ajv';
import { quote } from './quote.ts';

/** Keywords that only say that others below them have failed, which have their own complaints. */
const summaries = new Set(['anyOf', 'oneOf', 'allOf', 'if', 'not']);

/** One sentence for one error of the validator. */
export function complaint(error: ErrorObject): string {
  switch (error.keyword) {
    case 'enum': return `must be one of ${(error.params['allowedValues'] as unknown[]).map(quote).join(', ')}`;
    case 'const': return `must be ${quote(error.params['allowedValue'])}`;
    case 'not': return 'must not be this value';
    default: return (error.message ?? 'is not valid').replace('must NOT', 'must not');
  }
}

/** Sentences for all errors, each once; alternatives of one `anyOf` are joined by "or". */
export function complaints(errors: readonly ErrorObject[]): readonly string[] {
  const alternatives = errors.some(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  const leaves = errors.filter(({ keyword }) => !summaries.has(keyword));
  const told = [...new Set((leaves.length > 0 ? leaves : errors).map(complaint))];
  return alternatives ? [told.join(' or ')] : told;
}
