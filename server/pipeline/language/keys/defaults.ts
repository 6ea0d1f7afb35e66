// The key `defaults`: keys that every job has, unless it has them itself.

import { type Key, reportType } from '../field.ts';
import { jobForeignKeys } from '../foreign/foreign-keys.ts';
import { buildSchema, type KeyReadings, readKeys } from '../read-keys.ts';
import { jobKeys } from './job-keys.ts';

/** A job cannot need itself, and an output belongs to one job. */
const { needs: _needs, outputs: _outputs, ...rest } = jobKeys;

export const defaultsKeys = rest;

export const defaultsKey: Key<KeyReadings<typeof defaultsKeys>> = {
  summary: 'Keys that every job has, unless it has them itself. The variables of env are merged.',
  schema: buildSchema(defaultsKeys),
  read: (field) =>
    field.value.is === 'mapping'
      ? readKeys(field, defaultsKeys, jobForeignKeys)
      : reportType(field, `'${field.name}' must be an object`, {
          suggestions: ['write it as a mapping, such as: { image: alpine }'],
        }),
};
