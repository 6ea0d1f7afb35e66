// Routes of the event streams: of all runs, and of one run.

import { ApiError, quoted } from '../../../http/kit/http-error.ts';
import { queryText } from '../../../http/kit/query.ts';
import type { RouteRequest, RouteResponse } from '../../../http/kit/route-table.ts';
import { lastEventId, sseHeaders } from '../../../http/kit/sse-connections.ts';
import { PinHttpError } from '../errors.ts';
import type { Start } from '../events/stream.ts';
import type { StreamRequest } from '../events/streams.ts';
import { eventForms, type PinRoute, type RouteDeps, runId } from './route.ts';

export const eventsRoute: PinRoute = {
  method: 'GET',
  path: '/events',
  summary: [
    'all events as an event stream; ?run_id= for one run only, ?events=named with names, ',
    '?last_event_id= after an event',
  ].join(''),
  handle: (request, deps) => {
    const run = queryText(request.query, 'run_id') ?? '';
    return streamResponse(deps, {
      start: resumePosition(request, deps) ?? 'now',
      filter: { unnamed: isUnnamed(request, deps), ...(run !== '' && { run }) },
    });
  },
};

export const runEventsRoute: PinRoute = {
  method: 'GET',
  path: '/runs/{id}/events',
  summary: 'the events of one run as an event stream that ends with the run',
  handle: (request, deps) => {
    const run = runId(request);
    const { from, to } = deps.runs.get(run);
    const after = resumePosition(request, deps)?.after ?? from;
    // 204 tells a browser that has all events not to reconnect.
    if (to !== undefined && after >= to) return { nothing: true };
    return streamResponse(deps, {
      start: { after: Math.max(after, from) },
      filter: { unnamed: isUnnamed(request, deps), run },
      until: () => deps.runs.lastEventNumber(run),
    });
  },
};

function streamResponse({ isStopping, streams }: RouteDeps, request: StreamRequest): RouteResponse {
  if (isStopping()) throw new PinHttpError('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });
  streams.checkCapacity();
  const headers = { 'Cache-Control': 'no-cache', ...sseHeaders };
  return { type: 'text/event-stream', headers, stream: (response) => streams.open(request, response) };
}

/** Returns undefined if the client sends no id, or an id that is no number. */
function resumePosition({ headers, query }: RouteRequest, { eventLog }: RouteDeps): Exclude<Start, 'now'> | undefined {
  const given = lastEventId(headers) || (queryText(query, 'last_event_id') ?? '');
  const id = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  return Number.isSafeInteger(id) ? { after: eventLog.ids.toNumber(id, eventLog.count) } : undefined;
}

/**
 * Returns whether events are sent without names. The query parameter decides, or else the base path, or else the
 * configuration.
 */
function isUnnamed({ query }: RouteRequest, { base, options }: Pick<RouteDeps, 'base' | 'options'>): boolean {
  const given = queryText(query, 'events');
  const form = given === undefined ? (base ?? options.events) : eventForms.find((known) => known === given);
  if (form !== undefined) return form === 'unnamed';
  throw new ApiError('bad_request', `events must be named or unnamed, not ${quoted(given!)}`);
}
