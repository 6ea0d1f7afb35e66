// The language as a JSON Schema, for editors. Made of the tables that the rules read by, so that it cannot say anything else.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { jobKeys } from './keys/job-keys.ts';
import { lateKeys, topKeys } from './keys/top-keys.ts';
import { schemaOf } from './read-keys.ts';

const job: JsonSchema = { $ref: '#/$defs/job' };

/**
 * It takes every file that the check takes, but for one: what stands in a job that the workflow does not name is looked at, too. It knows keys in one spelling
 * only, and lets pass what the check refuses for reasons beyond a single key.
 */
export const pipelineSchema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Pipeline',
  description: 'A pipeline of jobs in containers.',
  type: 'object',
  properties: Object.fromEntries(Object.entries(topProperties()).map(([name, schema]) => [name, lateKeys.includes(name) ? { description: schema['description'], anyOf: [schema, job] } : schema])),
  additionalProperties: { if: { type: 'object' }, then: job },
  $defs: { job: { ...schemaOf(jobKeys), description: 'A job.' } },
};

function topProperties(): Readonly<Record<string, JsonSchema>> {
  return schemaOf(topKeys)['properties'] as Readonly<Record<string, JsonSchema>>;
}
