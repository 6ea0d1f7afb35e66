// The key `health`: how a service reports that it is ready.

import { type Key, reportInvalid, reportType } from '../field.ts';
import { healthForeignKeys } from '../foreign/foreign-keys.ts';
import type { HealthCheck } from '../model.ts';
import { buildSchema, readKeys } from '../read-keys.ts';
import { durationKey, numberKey } from './quantities.ts';
import { stringKey } from './string.ts';

export const healthKeys = {
  command: stringKey('Command line for the shell of the service. The service is ready when this command succeeds.'),
  interval: durationKey('Time between two checks. Default: 1 second.'),
  timeout: durationKey('Timeout of one check. Default: 5 seconds.'),
  retries: numberKey('Consecutive failures after which the service is unhealthy. Default: 30.', {
    whole: true,
    least: 1,
    most: 1_000,
  }),
  start: durationKey('Time after the start during which failures do not count. Default: 0.', { zeroAllowed: true }),
};

const defaultHealth: Omit<HealthCheck, 'command'> = {
  intervalMs: 1_000,
  timeoutMs: 5_000,
  retries: 30,
  startMs: 0,
};

export const healthKey: Key<HealthCheck> = {
  summary: 'The job starts when this check succeeds.',
  schema: buildSchema(healthKeys),
  read(field) {
    if (field.value.is !== 'mapping')
      return reportType(field, `'${field.name}' must be an object`, {
        suggestions: ['write it as a mapping, such as: { command: pg_isready }'],
      });
    const { values, fields, meant } = readKeys(field, healthKeys, healthForeignKeys);
    const {
      command,
      interval = defaultHealth.intervalMs,
      timeout = defaultHealth.timeoutMs,
      retries = defaultHealth.retries,
      start = defaultHealth.startMs,
    } = values;
    if (meant.has('command')) return undefined;
    if (fields.command === undefined)
      return reportInvalid(field, `'${field.name}.command' must be specified`, { code: 'MISSING_FIELD', at: field.at });
    return command === undefined
      ? undefined
      : { command, intervalMs: interval, timeoutMs: timeout, retries, startMs: start };
  },
};
