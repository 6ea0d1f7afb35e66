// Routes that describe the pin API and its state.

import type { RouteResponse } from '../../../http/kit/route-table.ts';
import { formatPinDuration } from '../format-duration.ts';
import { type PinRoute, type RouteDeps, timestamp } from './route.ts';

/** `routes` returns the routes that GET / lists. */
export function rootRoute(routes: () => readonly PinRoute[]): PinRoute {
  return {
    method: 'GET',
    path: '/',
    summary: 'this list, version and uptime',
    open: true,
    handle: (_request, deps) => ({
      json: {
        service: 'pin-daemon',
        version: deps.version,
        status: deps.isStopping() ? 'stopping' : 'running',
        endpoints: Object.fromEntries(routes().map(({ method, path, summary }) => [path, `${method}: ${summary}`])),
        uptime: uptime(deps),
        connected_clients: deps.streams.size,
        timestamp: timestamp(),
      },
    }),
  };
}

export const healthRoute: PinRoute = {
  method: 'GET',
  path: '/health',
  summary: 'health, clients and executed pipelines',
  handle: (_request, deps): RouteResponse => ({
    json: {
      status: 'healthy',
      uptime: uptime(deps),
      connected_clients: deps.streams.size,
      clients: deps.streams.size,
      last_pipeline: deps.runs.last?.startedAt ?? null,
      last_run: deps.runs.last?.id ?? null,
      total_pipelines_executed: deps.runs.executed,
      timestamp: timestamp(),
    },
  }),
};

function uptime({ startedMs }: RouteDeps): string {
  return formatPinDuration(performance.now() - startedMs);
}
