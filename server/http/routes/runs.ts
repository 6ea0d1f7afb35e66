// Run records: a page of them, or one by its id.

import { runIdPattern } from '../../../protocol/run-id.ts';
import { runStates } from '../../../protocol/record.ts';
import type { RunRecord, RunState } from '../../../protocol/record.ts';
import type { HttpParts } from '../parts.ts';
import { queryText, queryWhole } from '../query.ts';
import { Refusal, quoted } from '../refusal.ts';
import type { Answer, Question } from '../route.ts';

/** Records in an answer when the question does not say. */
const usual = 100;

export function runs(question: Question, parts: HttpParts): Answer {
  const max = parts.config().limits.pageRunsMax;
  const limit = queryWhole(question.query, 'limit', { min: 1, max, fallback: Math.min(usual, max) });
  const before = queryText(question.query, 'before');
  if (before !== undefined && !runIdPattern.test(before)) throw new Refusal('bad_request', `before must be the "next" of a page, not ${quoted(before)}`);
  const state = stateOf(queryText(question.query, 'state'));
  return { json: parts.runs.list({ limit, ...(before === undefined ? {} : { before }), ...(state === undefined ? {} : { state }) }) };
}

function stateOf(given: string | undefined): RunState | undefined {
  const state = runStates.find((known) => known === given);
  if (given !== undefined && state === undefined) throw new Refusal('bad_request', `state must be one of ${runStates.join(', ')}, not ${quoted(given)}`);
  return state;
}

export function run(question: Question, parts: HttpParts): Answer {
  return { json: asked(question, parts) };
}

/** The run that the path names. Throws a Refusal when there is none. */
export function asked(question: Question, parts: HttpParts): RunRecord {
  const id = question.segments['id'] ?? '';
  // Ids name folders further in: what could not be one, such as "../x", is not looked for.
  const found = runIdPattern.test(id) ? parts.runs.get(id) : undefined;
  if (found !== undefined) return found;
  throw new Refusal('not_found', `no such run ${quoted(id)}; /api/v1/http/runs lists those that are kept`);
}
