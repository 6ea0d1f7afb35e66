// Ajv keywords that this project adds to those of JSON Schema: `duration`, `age`, `size`, `sizeOrBytes`, `disconnect`
// and `errorText`.

import type { Ajv, FuncKeywordDefinition } from 'ajv';
import { formatDuration, formatSize, parseAge, parseDuration, parseSize } from '../text/units.ts';
import { parseDisconnect } from './disconnect.ts';

/**
 * The bounds of `duration: { min }`, `age: { min }` and `size: { min }`. A value must parse (see units.ts) and be at
 * least `min` milliseconds or bytes.
 */
interface Bounds {
  readonly min: number;
}

/**
 * Adds the keywords to a validator. With `disconnect: true`, `parseDisconnect` must accept the string. `errorText`
 * replaces ajv's message when the pattern or length of the schema does not match.
 */
export function addKeywords(ajv: Ajv): Ajv {
  return ajv
    .addVocabulary(['errorText'])
    .addKeyword(unitKeyword('duration', parseDuration, formatDuration))
    .addKeyword(unitKeyword('age', parseAge, formatDuration))
    .addKeyword(unitKeyword('size', parseSize, formatSize))
    .addKeyword({ ...unitKeyword('sizeOrBytes', parseSizeOrBytes, formatSize), type: ['string', 'number'] })
    .addKeyword(disconnectKeyword()) as Ajv;
}

/** Parses a size, or the word `bytes`, which no minimum rejects. */
function parseSizeOrBytes(value: unknown): number {
  return value === 'bytes' ? Infinity : parseSize(value);
}

type Validate = NonNullable<FuncKeywordDefinition['validate']>;

function unitKeyword(
  keyword: string,
  parse: (value: unknown) => number,
  format: (amount: number) => string,
): FuncKeywordDefinition {
  const validate: Validate = (bounds: Bounds, value: unknown) => {
    const message = diagnose(value, bounds);
    validate.errors = message === undefined ? [] : [{ keyword, message, params: {} }];
    return message === undefined;
  };
  const diagnose = (value: unknown, { min }: Bounds): string | undefined => {
    try {
      return parse(value) < min ? `must be at least ${format(min)}, not ${format(parse(value))}` : undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { keyword, schemaType: 'object', errors: 'full', validate };
}

function disconnectKeyword(): FuncKeywordDefinition {
  const validate: Validate = (_enabled: true, value: string) => {
    const message = errorMessage(() => parseDisconnect(value));
    validate.errors = message === undefined ? [] : [{ keyword: 'disconnect', message, params: {} }];
    return message === undefined;
  };
  return { keyword: 'disconnect', type: 'string', schemaType: 'boolean', errors: 'full', validate };
}

function errorMessage(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
