// Adds the defaults of the file to a job.

import type { defaultsKeys } from './keys/defaults.ts';
import type { jobKeys } from './keys/job-keys.ts';
import type { KeyReadings } from './read-keys.ts';
import { containerKeys, keysIgnoredOnHost } from './rules/host-jobs.ts';

type JobKeys = KeyReadings<typeof jobKeys>;
type Defaults = KeyReadings<typeof defaultsKeys>;

/**
 * Returns the keys of a job, completed with the defaults that the job does not set itself. Variables of `env` are
 * merged. A job that sets `image`, `dockerfile` or `host: true` gets none of these keys from the defaults. Defaults
 * that have no meaning for a host job or for a built image are left out.
 */
export function applyDefaults(own: JobKeys, defaults: Defaults | undefined): JobKeys {
  if (defaults === undefined) return own;
  const excluded = excludedKeys(own, defaults);
  const applies = ([name]: readonly [string, unknown]): boolean =>
    !Object.hasOwn(own.fields, name) && !own.meant.has(name) && !excluded.has(name);
  const pick = (all: object): object => Object.fromEntries(Object.entries(all).filter(applies));
  const env = own.values.env && { ...defaults.values.env, ...own.values.env };
  return {
    values: { ...pick(defaults.values), ...own.values, ...(env !== undefined && { env }) },
    fields: { ...pick(defaults.fields), ...own.fields },
    meant: own.meant,
  };
}

const baseKeys: readonly string[] = ['image', 'dockerfile', 'host'];

function excludedKeys(own: JobKeys, defaults: Defaults): ReadonlySet<string> {
  const hasBase = own.fields.image !== undefined || own.fields.dockerfile !== undefined || own.values.host === true;
  const onHost = hasBase ? own.values.host === true : defaults.values.host === true;
  const isBuilt = hasBase ? own.fields.dockerfile !== undefined : defaults.fields.dockerfile !== undefined;
  return new Set([
    ...(hasBase ? baseKeys : []),
    ...(onHost ? [...containerKeys, ...keysIgnoredOnHost] : []),
    ...(isBuilt ? ['pull'] : []),
  ]);
}
