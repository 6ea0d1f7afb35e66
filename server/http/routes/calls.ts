// What may be asked for: all of it, or one call by its name.

import { closest, distance } from 'fastest-levenshtein';
import type { HttpParts } from '../parts.ts';
import { Refusal, quoted } from '../refusal.ts';
import type { Answer, Question } from '../route.ts';

export async function calls(_question: Question, parts: HttpParts): Promise<Answer> {
  return { json: await parts.calls() };
}

export async function call(question: Question, parts: HttpParts): Promise<Answer> {
  const name = question.segments['name'] ?? '';
  const listed = await parts.calls();
  const found = listed.find((one) => one.name === name);
  if (found !== undefined) return { json: found };
  throw new Refusal('not_found', `no such call ${quoted(name)}; ${wayOut(name, listed.map((one) => one.name))}`);
}

function wayOut(name: string, names: readonly string[]): string {
  // Comparing is quadratic in the length, and nobody mistypes a name that long.
  const nearest = name.length <= 100 && names.length > 0 ? closest(name, names) : undefined;
  const near = nearest !== undefined && distance(name, nearest) <= Math.max(2, nearest.length / 3);
  return near ? `did you mean ${quoted(nearest)}?` : '/api/v1/http/calls lists them';
}
