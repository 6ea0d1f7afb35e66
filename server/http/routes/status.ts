// How the gateway is.

import type { HttpParts } from '../parts.ts';
import type { Answer, Question } from '../route.ts';

export async function status(_question: Question, parts: HttpParts): Promise<Answer> {
  return { json: await parts.status() };
}
