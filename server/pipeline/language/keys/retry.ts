// `retry`: how often a job is tried, and how long is waited in between.

import { wrong, type Field, type Key } from '../field.ts';
import { readKeys, schemaOf } from '../read-keys.ts';
import type { Retry } from '../tree.ts';

export const noRetry: Retry = { attempts: 1, delayMs: 1_000, backoff: 1, jitter: 0 };

interface Range {
  readonly whole?: string;
  readonly least: (value: number) => boolean;
  readonly tooLittle: string;
  readonly most: number;
  readonly tooMuch: string;
  readonly schema: Key<number>['schema'];
}

function numberOf(summary: string, { whole, least, tooLittle, most, tooMuch, schema }: Range): Key<number> {
  return {
    summary,
    schema,
    read(field) {
      const { name, value } = field;
      const fails = (message: string): undefined => wrong(field, `${name} ${message}`, { code: 'INVALID_RETRY_CONFIG' });
      if (value.is !== 'number' || Number.isNaN(value.value)) return fails(whole ?? 'must be a number');
      if (whole !== undefined && !Number.isInteger(value.value)) return fails(whole);
      if (!least(value.value)) return fails(tooLittle);
      return value.value > most ? fails(tooMuch) : value.value;
    },
  };
}

export const retryKeys = {
  attempts: numberOf('All tries together, 1 to 10.', {
    whole: 'must be an integer', least: (value) => value >= 1, tooLittle: 'must be at least 1', most: 10, tooMuch: 'must not exceed 10 (to prevent infinite loops)',
    schema: { type: 'integer', minimum: 1, maximum: 10 },
  }),
  delay: numberOf('Seconds to wait before the second try, 0 to 300.', {
    whole: 'must be an integer (seconds)', least: (value) => value >= 0, tooLittle: 'must be non-negative', most: 300, tooMuch: 'must not exceed 300 seconds',
    schema: { type: 'integer', minimum: 0, maximum: 300 },
  }),
  backoff: numberOf('Each further wait is longer by this factor, up to 10.', {
    least: (value) => value > 0, tooLittle: 'must be greater than 0', most: 10, tooMuch: 'must not exceed 10.0', schema: { type: 'number', exclusiveMinimum: 0, maximum: 10 },
  }),
  jitter: numberOf('Waits are longer or shorter by up to this share, 0 to 1, at random.', {
    least: (value) => value >= 0, tooLittle: 'must be non-negative', most: 1, tooMuch: 'must not exceed 1', schema: { type: 'number', minimum: 0, maximum: 1 },
  }),
};

export const retryKey: Key<Retry> = {
  summary: 'Tries again when the job fails.',
  schema: schemaOf(retryKeys),
  read: (field) => (field.value.is === 'mapping' ? readRetry(field) : wrong(field, `'${field.name}' must be an object`, { code: 'INVALID_RETRY_CONFIG', suggestions: ['write it as a mapping, such as: { attempts: 3 }'] })),
};

function readRetry(field: Field): Retry {
  const { values } = readKeys(field, retryKeys);
  const { attempts = noRetry.attempts, delay = noRetry.delayMs / 1_000, backoff = noRetry.backoff, jitter = noRetry.jitter } = values;
  return { attempts, delayMs: delay * 1_000, backoff, jitter };
}
