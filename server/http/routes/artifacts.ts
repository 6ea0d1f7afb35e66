// What the jobs of a run made: the list, and one file to be saved.

import type { HttpParts } from '../parts.ts';
import { Refusal, quoted } from '../refusal.ts';
import type { Answer, Question } from '../route.ts';
import { asked } from './runs.ts';

export async function artifacts(question: Question, parts: HttpParts): Promise<Answer> {
  const { id } = asked(question, parts);
  return { json: await parts.runs.artifacts(id, parts.config().limits.pageArtifactsMax) };
}

export async function artifact(question: Question, parts: HttpParts): Promise<Answer> {
  const { id } = asked(question, parts);
  // Of the address, as everywhere, and of no path.
  const path = (question.segments['path'] ?? '').replace(/\/$/, '');
  const found = await parts.runs.artifact(id, path);
  if (found !== undefined) return { download: { ...found, name: path.slice(path.lastIndexOf('/') + 1) } };
  throw new Refusal('not_found', `no such artifact ${quoted(path)}; /api/v1/http/runs/${id}/artifacts lists them`);
}
