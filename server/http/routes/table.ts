// Every route there is, in one list: the router, the index, the Allow headers, docs/http.md and the tests all read it.

import type { Route } from '../route.ts';
import { artifact, artifacts } from './artifacts.ts';
import { auth, authAlias } from './auth.ts';
import { call, calls } from './calls.ts';
import { events } from './events.ts';
import { healthz, readyz } from './health.ts';
import { index } from './index-of-routes.ts';
import { lines } from './lines.ts';
import { news, newsAlias } from './news.ts';
import { root } from './root.ts';
import { run, runs } from './runs.ts';
import { pipelineSchema } from './schemas.ts';
import { status } from './status.ts';
import { systems, systemsAlias } from './systems.ts';
import { ws } from './ws.ts';

export const routes: readonly Route[] = [
  { path: '/', summary: 'what this is, and where the API is', answer: root },
  { path: '/healthz', summary: 'whether the process lives', answer: healthz },
  { path: '/readyz', summary: 'whether it takes work', answer: readyz },
  { path: '/api/v1/http', summary: 'this list', answer: () => index(routes) },
  { path: '/api/v1/http/auth', summary: 'who you are', answer: auth },
  { path: '/api/v1/http/systems', summary: 'systems the gateway looks after', answer: systems },
  { path: '/api/v1/http/news', summary: 'news items, oldest first', answer: news },
  { path: '/api/v1/http/calls', summary: 'what may be asked for', scope: 'user.valid', answer: calls },
  { path: '/api/v1/http/calls/{name}', summary: 'one call', scope: 'user.valid', answer: call },
  { path: '/api/v1/http/runs', summary: 'runs, newest first', scope: 'user.valid', answer: runs },
  { path: '/api/v1/http/runs/{id}', summary: 'one run', scope: 'user.valid', answer: run },
  { path: '/api/v1/http/runs/{id}/lines', summary: 'lines of a run from a cursor, as JSON or text', scope: 'user.valid', answer: lines },
  { path: '/api/v1/http/runs/{id}/events', summary: 'a run as it goes on, as an event stream', scope: 'user.valid', answer: events },
  { path: '/api/v1/http/runs/{id}/artifacts', summary: 'what the jobs of a run made', scope: 'user.valid', answer: artifacts },
  { path: '/api/v1/http/runs/{id}/artifacts/{path…}', summary: 'one file of that', scope: 'user.valid', answer: artifact },
  { path: '/api/v1/http/schemas/pipeline.json', summary: 'the JSON Schema of pipeline files', answer: pipelineSchema },
  { path: '/api/v1/http/status', summary: 'how the gateway is', scope: 'user.valid', answer: status },
  { path: '/api/v1/auth', summary: 'who you are, in the spelling of older clients', aliasOf: '/api/v1/http/auth', answer: authAlias },
  { path: '/api/v1/systems', summary: 'systems the gateway looks after, in the spelling of older clients', aliasOf: '/api/v1/http/systems', answer: systemsAlias },
  { path: '/api/v1/instances/directory', summary: 'systems the gateway looks after, in the spelling of older clients', aliasOf: '/api/v1/http/systems', answer: systemsAlias },
  { path: '/api/v1/news', summary: 'news items, oldest first, in the spelling of older clients', aliasOf: '/api/v1/http/news', answer: newsAlias },
  { path: '/api/v1/ws', summary: 'where websockets start a call', answer: ws },
];
