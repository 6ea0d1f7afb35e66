// The key `retry`: how often a job is attempted, and the delay between attempts.

import { type Field, type Key, reportInvalid } from '../field.ts';
import { retryForeignKeys } from '../foreign/foreign-keys.ts';
import type { Retry } from '../model.ts';
import { buildSchema, readKeys } from '../read-keys.ts';

export const noRetry: Retry = { attempts: 1, delayMs: 1_000, backoff: 1, jitter: 0 };

interface RetryNumberRule {
  readonly whole?: string;
  readonly least: (value: number) => boolean;
  readonly tooSmallMessage: string;
  readonly most: number;
  readonly tooLargeMessage: string;
  readonly schema: Key<number>['schema'];
}

function retryNumberKey(
  summary: string,
  { whole, least, tooSmallMessage, most, tooLargeMessage, schema }: RetryNumberRule,
): Key<number> {
  return {
    summary,
    schema,
    read(field) {
      const { name, value } = field;
      const fails = (message: string): undefined =>
        reportInvalid(field, `${name} ${message}`, { code: 'INVALID_RETRY_CONFIG' });
      if (value.is !== 'number' || Number.isNaN(value.value)) return fails(whole ?? 'must be a number');
      if (whole !== undefined && !Number.isInteger(value.value)) return fails(whole);
      if (!least(value.value)) return fails(tooSmallMessage);
      return value.value > most ? fails(tooLargeMessage) : value.value;
    },
  };
}

export const retryKeys = {
  attempts: retryNumberKey('Number of attempts in total, 1 to 10.', {
    whole: 'must be an integer',
    least: (value) => value >= 1,
    tooSmallMessage: 'must be at least 1',
    most: 10,
    tooLargeMessage: 'must not exceed 10 (to prevent infinite loops)',
    schema: { type: 'integer', minimum: 1, maximum: 10 },
  }),
  delay: retryNumberKey('Seconds before the second attempt, 0 to 300.', {
    whole: 'must be an integer (seconds)',
    least: (value) => value >= 0,
    tooSmallMessage: 'must be non-negative',
    most: 300,
    tooLargeMessage: 'must not exceed 300 seconds',
    schema: { type: 'integer', minimum: 0, maximum: 300 },
  }),
  backoff: retryNumberKey('Factor by which each further delay grows, up to 10.', {
    least: (value) => value > 0,
    tooSmallMessage: 'must be greater than 0',
    most: 10,
    tooLargeMessage: 'must not exceed 10.0',
    schema: { type: 'number', exclusiveMinimum: 0, maximum: 10 },
  }),
  jitter: retryNumberKey('Random change of each delay, as a fraction from 0 to 1.', {
    least: (value) => value >= 0,
    tooSmallMessage: 'must be non-negative',
    most: 1,
    tooLargeMessage: 'must not exceed 1',
    schema: { type: 'number', minimum: 0, maximum: 1 },
  }),
};

export const retryKey: Key<Retry> = {
  summary: 'Attempts the job again if it fails.',
  schema: buildSchema(retryKeys),
  read: (field) =>
    field.value.is === 'mapping'
      ? readRetry(field)
      : reportInvalid(field, `'${field.name}' must be an object`, {
          code: 'INVALID_RETRY_CONFIG',
          suggestions: ['write it as a mapping, such as: { attempts: 3 }'],
        }),
};

function readRetry(field: Field): Retry {
  const { values } = readKeys(field, retryKeys, retryForeignKeys);
  const {
    attempts = noRetry.attempts,
    delay = noRetry.delayMs / 1_000,
    backoff = noRetry.backoff,
    jitter = noRetry.jitter,
  } = values;
  return { attempts, delayMs: delay * 1_000, backoff, jitter };
}
