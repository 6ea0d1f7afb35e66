// Route table of the JSON API. The router, the index, docs/http.md and the tests read it.

import type { JsonRoute } from '../route.ts';
import { apiIndex } from './api-index.ts';
import { artifact, artifacts } from './artifacts.ts';
import { auth, authAlias } from './auth.ts';
import { call, calls } from './calls.ts';
import { events } from './events.ts';
import { healthz, readyz } from './health.ts';
import { lines } from './lines.ts';
import { news, newsAlias } from './news.ts';
import { resolve } from './resolve.ts';
import { root } from './root.ts';
import { run, runs, runsQuery } from './runs.ts';
import { pipelineSchema } from './schemas.ts';
import { status } from './status.ts';
import { systems, systemsAlias } from './systems.ts';
import { ws } from './ws.ts';

export const routes: readonly JsonRoute[] = [
  { path: '/', summary: 'what this server is, and where the API is', handle: root },
  { path: '/healthz', summary: 'whether the process is alive', handle: healthz },
  { path: '/readyz', summary: 'whether the gateway accepts work', handle: readyz },
  { path: '/api/v1/http', summary: 'all routes of the API', handle: () => apiIndex(routes) },
  { path: '/api/v1/http/auth', summary: 'the current caller', handle: auth },
  { path: '/api/v1/http/systems', summary: 'systems of this gateway', handle: systems },
  { path: '/api/v1/http/news', summary: 'news items, oldest first', handle: news },
  {
    path: '/api/v1/http/resolve',
    summary: 'the address of the page about a URI',
    scope: 'url.resolve',
    query: ['uri'],
    handle: resolve,
  },
  { path: '/api/v1/http/calls', summary: 'all calls', scope: 'user.valid', handle: calls },
  { path: '/api/v1/http/calls/{name}', summary: 'one call', scope: 'user.valid', handle: call },
  { path: '/api/v1/http/runs', summary: 'runs, newest first', scope: 'user.valid', query: runsQuery, handle: runs },
  { path: '/api/v1/http/runs/{id}', summary: 'one run', scope: 'user.valid', handle: run },
  {
    path: '/api/v1/http/runs/{id}/lines',
    summary: 'lines of a run from a cursor, as JSON or text; or its output as bytes',
    scope: 'user.valid',
    query: ['after', 'limit', 'stream', 'services'],
    handle: lines,
  },
  {
    path: '/api/v1/http/runs/{id}/events',
    summary: 'a run as an event stream',
    scope: 'user.valid',
    query: ['after', 'last'],
    handle: events,
  },
  {
    path: '/api/v1/http/runs/{id}/artifacts',
    summary: 'artifacts of the jobs of a run',
    scope: 'user.valid',
    handle: artifacts,
  },
  {
    path: '/api/v1/http/runs/{id}/artifacts/{path…}',
    summary: 'one artifact',
    scope: 'user.valid',
    handle: artifact,
  },
  { path: '/api/v1/http/schemas/pipeline.json', summary: 'the JSON Schema of pipeline files', handle: pipelineSchema },
  { path: '/api/v1/http/status', summary: 'status of the gateway', scope: 'user.valid', handle: status },
  {
    path: '/api/v1/auth',
    summary: 'the current caller, with PascalCase keys for older clients',
    aliasOf: '/api/v1/http/auth',
    handle: authAlias,
  },
  {
    path: '/api/v1/systems',
    summary: 'systems of this gateway, with PascalCase keys for older clients',
    aliasOf: '/api/v1/http/systems',
    handle: systemsAlias,
  },
  {
    path: '/api/v1/instances/directory',
    summary: 'systems of this gateway, with PascalCase keys for older clients',
    aliasOf: '/api/v1/http/systems',
    handle: systemsAlias,
  },
  {
    path: '/api/v1/news',
    summary: 'news items, oldest first, with PascalCase keys for older clients',
    aliasOf: '/api/v1/http/news',
    handle: newsAlias,
  },
  {
    path: '/api/v1/resolve',
    summary: 'the address of the page about a URI, for older clients',
    scope: 'url.resolve',
    aliasOf: '/api/v1/http/resolve',
    query: ['uri'],
    handle: resolve,
  },
  { path: '/api/v1/ws', summary: 'the websocket', handle: ws },
];
