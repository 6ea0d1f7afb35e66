// Turns ajv errors into phrases that follow the name of a value: "must match pattern …".

import type { ErrorObject } from 'ajv';
import { quote } from '../text/quote.ts';

/** Keywords whose errors only repeat that a subschema has errors. */
const summaryKeywords = new Set(['anyOf', 'oneOf', 'allOf', 'if', 'not']);

/** Returns the phrase for one error. */
export function schemaErrorText(error: ErrorObject): string {
  switch (error.keyword) {
    case 'enum':
      return `must be one of ${(error.params['allowedValues'] as unknown[]).map(quote).join(', ')}`;
    case 'const':
      return `must be ${quote(error.params['allowedValue'])}`;
    case 'not':
      return 'must not be this value';
    default:
      return (error.message ?? 'is not valid').replace('must NOT', 'must not');
  }
}

/** Returns one phrase per distinct error; joins the alternatives of an `anyOf` with "or". */
export function schemaErrorTexts(errors: readonly ErrorObject[]): readonly string[] {
  const alternatives = errors.some(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  const leaves = errors.filter(({ keyword }) => !summaryKeywords.has(keyword));
  const sentences = [...new Set((leaves.length > 0 ? leaves : errors).map(schemaErrorText))];
  return alternatives ? [sentences.join(' or ')] : sentences;
}
