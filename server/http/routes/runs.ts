// Routes of the run records: a page of them, or one by id.

import { omitUndefined } from '../../../calls/text/omit-undefined.ts';
import { runIdPattern } from '../../../protocol/run-id.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { outcomes, runStates } from '../../../protocol/run-record.ts';
import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import { queryChoice, queryInteger, queryText, queryTime } from '../kit/query.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

/** Records in a response without `?limit=`. */
const defaultLimit = 100;

/** Query parameters of the list. */
export const runsQuery = ['limit', 'before', 'state', 'outcome', 'call', 'caller', 'since', 'until'] as const;

export function runs({ query }: RouteRequest, deps: HttpDeps): RouteResponse {
  const max = deps.config().limits.pageRunsMax;
  const limit = queryInteger(query, 'limit', { min: 1, max, fallback: Math.min(defaultLimit, max) });
  const before = queryText(query, 'before');
  if (before !== undefined && !runIdPattern.test(before))
    throw new ApiError('bad_request', `before must be the "next" of a page, not ${quoted(before)}`);
  const filters = {
    before,
    state: queryChoice(query, 'state', runStates),
    outcome: queryChoice(query, 'outcome', outcomes),
    call: queryText(query, 'call'),
    caller: queryText(query, 'caller'),
    since: queryTime(query, 'since'),
    until: queryTime(query, 'until'),
  };
  return { json: deps.runs.list({ limit, ...omitUndefined(filters) }) };
}

export function run(request: RouteRequest, deps: HttpDeps): RouteResponse {
  return { json: findRun(request, deps) };
}

/** Returns the run in the path. Throws an ApiError if it does not exist. */
export function findRun(request: RouteRequest, deps: HttpDeps): RunRecord {
  const id = request.segments['id'] ?? '';
  // Ids become folder names: never look up a text that is not an id, such as "../x".
  const found = runIdPattern.test(id) ? deps.runs.get(id) : undefined;
  if (found !== undefined) return found;
  throw new ApiError('not_found', `no such run ${quoted(id)}; /api/v1/http/runs lists the retained runs`);
}
