// `health`: how a service says that it is ready.

import type { HealthCheck } from '../../../../calls/contract/containers.ts';
import { wrong, wrongType, type Key } from '../field.ts';
import { readKeys, schemaOf } from '../read-keys.ts';
import { durationKey, numberKey } from './amounts.ts';
import { textKey } from './text.ts';

export const healthKeys = {
  command: textKey('A line for the shell of the service; it is ready when this succeeds.'),
  interval: durationKey('Between two looks; 1 second when not written.'),
  timeout: durationKey('For one look; 5 seconds when not written.'),
  retries: numberKey('So many failures in a row, and it is not healthy; 30 when not written.', { whole: true, least: 1, most: 1_000 }),
  start: durationKey('Failures do not count for so long after the start; 0 when not written.', { zero: true }),
};

export const usualHealth: Omit<HealthCheck, 'command'> = { intervalMs: 1_000, timeoutMs: 5_000, retries: 30, startMs: 0 };

export const healthKey: Key<HealthCheck> = {
  summary: 'The job starts when this says that the service is ready.',
  schema: schemaOf(healthKeys),
  read(field) {
    if (field.value.is !== 'mapping') return wrongType(field, `'${field.name}' must be an object`, { suggestions: ['write it as a mapping, such as: { command: pg_isready }'] });
    const { values, fields } = readKeys(field, healthKeys);
    const { command, interval = usualHealth.intervalMs, timeout = usualHealth.timeoutMs, retries = usualHealth.retries, start = usualHealth.startMs } = values;
    if (fields.command === undefined) return wrong(field, `'${field.name}.command' must be specified`, { code: 'MISSING_FIELD', at: field.at });
    return command === undefined ? undefined : { command, intervalMs: interval, timeoutMs: timeout, retries, startMs: start };
  },
};
