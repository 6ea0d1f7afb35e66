// Finds top-level keys that are neither jobs nor settings: misplaced keys of a job, and keys of another system.

import { truncate } from '../../../../calls/text/quote.ts';
import type { YamlEntry } from '../../../yaml/value-tree.ts';
import type { CheckContext } from '../field.ts';
import { defaultsKeys } from '../keys/defaults.ts';
import { jobKeys } from '../keys/job-keys.ts';
import { topKeys } from '../keys/top-keys.ts';
import { meantKey, noForeignKeys, topForeignKeys } from './foreign-keys.ts';

/** Keys that only a job has. A mapping that has one of them is a job, even if its name is a key. */
const keysOfJobs = ['image', 'dockerfile', 'host', 'script', 'needs'];

/** Reports a misplaced entry and returns true. Call this only for entries that the workflow does not name. */
export function reportMisplaced({ key, at, value }: YamlEntry, context: CheckContext): boolean {
  const words = value.is === 'mapping' ? value.entries.map((entry) => entry.key.toLowerCase()) : [];
  const isDefault = key.toLowerCase() === 'default' && !words.includes('script');
  if (keysOfJobs.some((word) => words.includes(word)) && !isDefault) return false;
  const advice = adviceFor(key);
  if (advice === undefined) return false;
  context.report({
    code: 'UNKNOWN_FIELD',
    at,
    field: key,
    message: `unknown key '${truncate(key)}' at the top level: ${advice.message}`,
    suggestions: [advice.suggestion],
  });
  return true;
}

function adviceFor(key: string): { readonly message: string; readonly suggestion: string } | undefined {
  const top = meantKey(key, Object.keys(topKeys), topForeignKeys);
  if (top === 'jobs')
    return {
      message: 'the jobs themselves are the keys here',
      suggestion: 'write each job at the top level, such as build: { image: alpine, script: make }',
    };
  if (top !== undefined && Object.hasOwn(topKeys, top))
    return {
      message: `the key here is '${top}'`,
      suggestion: `write ${topForeignKeys.examples[top] ?? `'${top}' in its place`}`,
    };
  const ofJob = top ?? meantKey(key, Object.keys(jobKeys), noForeignKeys);
  if (ofJob === undefined) return undefined;
  return Object.hasOwn(defaultsKeys, ofJob)
    ? { message: "keys for all jobs belong in 'defaults'", suggestion: `write defaults: { ${ofJob}: … }` }
    : { message: `'${ofJob}' is a key of a job`, suggestion: 'write it in a job' };
}
