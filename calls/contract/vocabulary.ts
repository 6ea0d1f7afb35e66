// The words that schemas of this project use beside those of JSON Schema: `duration`, `age`, `size`, `disconnect`, `says`.

import type { Ajv, FuncKeywordDefinition } from 'ajv';
import { parseDisconnect } from './disconnect.ts';
import { formatDuration, formatSize, parseAge, parseDuration, parseSize } from './units.ts';

/** `duration: { min }`, `age: { min }` and `size: { min }`: the value is written as units.ts reads it, and is at least `min` (ms, bytes). */
interface Bounds {
  readonly min: number;
}

/** Adds the words to a validator. `disconnect: true`: a text is what `parseDisconnect` reads. `says` is the sentence for people when a pattern or length of its schema is not met. */
export function addVocabulary(ajv: Ajv): Ajv {
  return ajv
    .addVocabulary(['says'])
    .addKeyword(unitKeyword('duration', parseDuration, formatDuration))
    .addKeyword(unitKeyword('age', parseAge, formatDuration))
    .addKeyword(unitKeyword('size', parseSize, formatSize))
    .addKeyword(disconnectKeyword()) as Ajv;
}

type Validate = NonNullable<FuncKeywordDefinition['validate']>;

function unitKeyword(keyword: string, parse: (value: unknown) => number, format: (amount: number) => string): FuncKeywordDefinition {
  const validate: Validate = (bounds: Bounds, value: unknown) => {
    const message = complaint(value, bounds);
    validate.errors = message === undefined ? [] : [{ keyword, message, params: {} }];
    return message === undefined;
  };
  const complaint = (value: unknown, { min }: Bounds): string | undefined => {
    try {
      return parse(value) < min ? `must be at least ${format(min)}, not ${format(parse(value))}` : undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { keyword, schemaType: 'object', errors: 'full', validate };
}

function disconnectKeyword(): FuncKeywordDefinition {
  const validate: Validate = (_asked: true, value: string) => {
    const message = problemOf(() => parseDisconnect(value));
    validate.errors = message === undefined ? [] : [{ keyword: 'disconnect', message, params: {} }];
    return message === undefined;
  };
  return { keyword: 'disconnect', type: 'string', schemaType: 'boolean', errors: 'full', validate };
}

function problemOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
