// The key `defaults`: keys for every job that does not have them itself.

import { type Key, reportType } from '../field.ts';
import { jobForeignKeys } from '../foreign/foreign-keys.ts';
import { buildSchema, type KeyReadings, readKeys } from '../read-keys.ts';
import { jobKeys } from './job-keys.ts';

/** Leaves out `needs`, because a job cannot need itself, and `outputs`, because an output belongs to one job. */
const { needs: _needs, outputs: _outputs, ...rest } = jobKeys;

export const defaultsKeys = rest;

export const defaultsKey: Key<KeyReadings<typeof defaultsKeys>> = {
  summary: 'Keys for every job that does not have them itself. The variables of env are merged.',
  schema: buildSchema(defaultsKeys),
  read: (field) =>
    field.value.is === 'mapping'
      ? readKeys(field, defaultsKeys, jobForeignKeys)
      : reportType(field, `'${field.name}' must be an object`, {
          suggestions: ['write it as a mapping, such as: { image: alpine }'],
        }),
};
