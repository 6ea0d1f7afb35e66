// Lines of a run from a cursor: JSON, or text for those who would rather have that.

import type { LinePage, HttpParts } from '../parts.ts';
import { queryWhole } from '../query.ts';
import type { Answer, Question } from '../route.ts';
import { asked } from './runs.ts';

/** Lines in an answer when the question does not say. */
const usual = 1000;

/** Bytes of lines in one answer. It ends before the line that would exceed this, but has one line at least. */
export const pageBytesMax = 8 << 20;

export async function lines(question: Question, parts: HttpParts): Promise<Answer> {
  const run = asked(question, parts).id;
  const max = parts.config().limits.pageLinesMax;
  const after = queryWhole(question.query, 'after', { min: 0, fallback: 0 });
  const limit = queryWhole(question.query, 'limit', { min: 1, max, fallback: Math.min(usual, max) });
  const page = await parts.runs.lines(run, { after, limit, bytesMax: pageBytesMax });
  const headers = { Vary: 'Accept', ...link(run, limit, page) };
  if (question.prefers('application/json', 'text/plain') === 'text/plain') return { text: asText(page), headers: { ...headers, ...gapHeader(page) } };
  const { next, lines: told, sources, ended, gap } = page;
  return { json: { run, after, next, lines: told, sources, ended, gap }, headers };
}

function asText(page: LinePage): string {
  return page.lines.map((line) => `${line}\n`).join('');
}

/** Text has no place for what is missing either. */
function gapHeader({ gap }: LinePage): Record<string, string> {
  return gap === undefined ? {} : { 'X-Gap': `${gap.from}-${gap.to}; reason=${gap.reason}` };
}

// Text has no place for the cursor, so it is in a header (RFC 8288), of both forms.
function link(run: string, limit: number, page: LinePage): Record<string, string> {
  return page.ended ? {} : { Link: `</api/v1/http/runs/${run}/lines?after=${page.next}&limit=${limit}>; rel="next"` };
}
