// JSON Schemas for editors.

import type { HttpParts } from '../parts.ts';
import { Refusal } from '../refusal.ts';
import type { Answer, Question } from '../route.ts';

/** Of pipeline files. */
export function pipelineSchema(_question: Question, { schemas }: HttpParts): Answer {
  if (schemas === undefined) throw new Refusal('not_found', 'this gateway has no schema of pipelines');
  return { json: schemas.pipeline };
}
