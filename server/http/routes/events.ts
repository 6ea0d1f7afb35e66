// Route of the event stream of a run.

import type { Cursor } from '../../runs/log/position.ts';
import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import { queryInteger, queryText } from '../kit/query.ts';
import type { Query, RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { lastEventId, sseHeaders } from '../kit/sse-connections.ts';
import { endId } from '../sse/run-stream.ts';
import { findRun } from './runs.ts';

export function events(request: RouteRequest, deps: HttpDeps): RouteResponse {
  const { id } = findRun(request, deps);
  const cursor = parseCursor(lastEventId(request.headers), request.query);
  if (cursor === undefined) return { nothing: true };
  deps.streams.checkCapacity();
  const run = deps.runs.view(id);
  const type = 'text/event-stream; charset=utf-8';
  return { stream: (response) => deps.streams.open(run, cursor, response), type, headers: sseHeaders };
}

/**
 * Returns the cursor: the id of a reconnecting browser, else the query. Returns undefined if the client already has the
 * result.
 */
function parseCursor(lastId: string, query: Query): Cursor | undefined {
  if (lastId === endId) return undefined;
  if (lastId !== '') return parseEventId(lastId, 'Last-Event-ID');
  const after = queryText(query, 'after');
  if (query['last'] === undefined) return after === undefined ? { after: 0 } : parseEventId(after, 'after');
  if (after !== undefined) throw new ApiError('bad_request', 'give either after or last, not both');
  return { last: queryInteger(query, 'last', { min: 0, fallback: 0 }) };
}

/** Parses `12`, the cursor after line 12, or `12.7`, the cursor after event 7, which follows line 12. */
function parseEventId(text: string, name: string): Cursor {
  const [, after, seq] = /^(\d{1,15})(?:\.(\d{1,15}))?$/.exec(text) ?? [];
  if (after === undefined)
    throw new ApiError('bad_request', `${name} must be a number of lines or an id of this stream, not ${quoted(text)}`);
  return { after: Number(after), ...(seq !== undefined && { seq: Number(seq) }) };
}
