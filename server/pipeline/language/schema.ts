// The JSON Schema of pipeline files, for editors. It is generated from the key tables that the check uses.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { jobKeys } from './keys/job-keys.ts';
import { keysUsableAsJobNames, topKeys } from './keys/top-keys.ts';
import { buildSchema } from './read-keys.ts';

const job: JsonSchema = { $ref: '#/$defs/job' };

/**
 * Accepts every file that the check accepts, if its keys are spelled as in the tables. There is one exception: the
 * schema also checks jobs outside the workflow. Contains no rules over several keys.
 */
export const pipelineSchema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Pipeline',
  description: 'A pipeline of jobs in containers.',
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(topProperties()).map(([name, schema]) => [
      name,
      keysUsableAsJobNames.includes(name) ? { description: schema['description'], anyOf: [schema, job] } : schema,
    ]),
  ),
  patternProperties: { '^[xX]-': { description: 'A template: values for aliases and merge keys.' } },
  additionalProperties: { if: { type: 'object' }, then: job },
  $defs: { job: { ...buildSchema(jobKeys), description: 'A job.' } },
};

function topProperties(): Readonly<Record<string, JsonSchema>> {
  return buildSchema(topKeys)['properties'] as Readonly<Record<string, JsonSchema>>;
}
