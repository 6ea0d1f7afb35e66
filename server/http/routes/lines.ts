// Route of the lines of a run from a cursor, as JSON or text; for a call with `output: bytes`, also as bytes.

import type { HttpDeps, LinePage } from '../deps.ts';
import { ApiError } from '../kit/http-error.ts';
import { queryFlag, queryInteger, queryText } from '../kit/query.ts';
import type { Query, RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { outputBytes } from './output-bytes.ts';
import { findRun } from './runs.ts';

const bytesType = 'application/octet-stream';

/** Lines in a response without `?limit=`. */
const defaultLimit = 1000;

/**
 * Maximum size of the lines in a response. The response ends before the line that would exceed this size. It has at
 * least one line, unless it leaves out lines of services.
 */
export const pageBytesMax = 8 << 20;

export async function lines(request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const run = findRun(request, deps).id;
  const type = request.prefers('application/json', 'text/plain', bytesType);
  for (const name of type === bytesType ? ['limit', 'services'] : ['stream'])
    rejectParameter(request.query, name, type);
  if (type === bytesType) return outputBytes(run, request, deps);
  const max = deps.config().limits.pageLinesMax;
  const after = queryInteger(request.query, 'after', { min: 0, fallback: 0 });
  const limit = queryInteger(request.query, 'limit', { min: 1, max, fallback: Math.min(defaultLimit, max) });
  const services = queryFlag(request.query, 'services');
  const page = await deps.runs.lines(run, { after, limit, bytesMax: pageBytesMax, services });
  const headers = { Vary: 'Accept', ...link(run, { limit, services }, page) };
  if (type === 'text/plain') return { text: pageText(page), headers: { ...headers, ...gapHeader(page) } };
  const { next, lines: text, sources, omitted, ended, gap } = page;
  return { json: { run, after, next, lines: text, sources, omitted, ended, gap }, headers };
}

/** Throws an ApiError if the request has a parameter that does not apply to this type of response. */
function rejectParameter(query: Query, name: string, type: string): void {
  if (queryText(query, name) !== undefined)
    throw new ApiError('bad_request', `${name} does not apply to a response of type ${type}; omit it`);
}

function pageText(page: LinePage): string {
  return page.lines.map((line) => `${line}\n`).join('');
}

/** A text body cannot contain a gap, so a header reports the gap. */
function gapHeader({ gap }: LinePage): Record<string, string> {
  return gap === undefined ? {} : { 'X-Gap': `${gap.from}-${gap.to}; reason=${gap.reason}` };
}

// A text body cannot contain the cursor, so both types of response have the cursor in a header (RFC 8288).
function link(
  run: string,
  { limit, services }: { readonly limit: number; readonly services: boolean },
  page: LinePage,
): Record<string, string> {
  const query = `after=${page.next}&limit=${limit}${services ? '&services=true' : ''}`;
  return page.ended ? {} : { Link: `</api/v1/http/runs/${run}/lines?${query}>; rel="next"` };
}
