// A run as it goes on: an event stream on the same cursor as everything else that watches.

import type { Cursor } from '../../runs/log/position.ts';
import { endId } from '../events/stream.ts';
import type { HttpParts } from '../parts.ts';
import { queryText, queryWhole } from '../query.ts';
import { Refusal, quoted } from '../refusal.ts';
import type { Answer, Query, Question } from '../route.ts';
import { asked } from './runs.ts';

export function events(question: Question, parts: HttpParts): Answer {
  const { id } = asked(question, parts);
  const cursor = cursorOf(question.lastEventId, question.query);
  if (cursor === undefined) return { nothing: true };
  parts.streams.checkRoom();
  const run = parts.runs.watch(id);
  return { stream: (response) => parts.streams.open(run, cursor, response), type: 'text/event-stream; charset=utf-8' };
}

/** What a browser says when it connects again goes before what its address says. Undefined when nothing is left to be told. */
function cursorOf(lastEventId: string, query: Query): Cursor | undefined {
  if (lastEventId === endId) return undefined;
  if (lastEventId !== '') return readId(lastEventId, 'Last-Event-ID');
  const after = queryText(query, 'after');
  if (query['last'] === undefined) return after === undefined ? { after: 0 } : readId(after, 'after');
  if (after !== undefined) throw new Refusal('bad_request', 'give either after or last, not both');
  return { last: queryWhole(query, 'last', { min: 0, fallback: 0 }) };
}

/** `12` is behind the twelfth line; `12.7` is behind the seventh event, which stands behind the twelfth line. */
function readId(text: string, name: string): Cursor {
  const [, after, seq] = /^(\d{1,15})(?:\.(\d{1,15}))?$/.exec(text) ?? [];
  if (after === undefined) throw new Refusal('bad_request', `${name} must be a number of lines, or an id of this stream, not ${quoted(text)}`);
  return { after: Number(after), ...(seq !== undefined && { seq: Number(seq) }) };
}
