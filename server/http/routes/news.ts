// News items, oldest first.

import type { HttpParts } from '../parts.ts';
import type { Answer, Question } from '../route.ts';
import { respelt } from '../spelling.ts';

export async function news(_question: Question, parts: HttpParts): Promise<Answer> {
  return { json: await parts.news() };
}

export async function newsAlias(_question: Question, parts: HttpParts): Promise<Answer> {
  const items = await parts.news();
  return { json: items.map((item) => respelt(item, spelling)) };
}

const spelling = { id: 'ID', date: 'Date', title: 'Title', content: 'Content' };
