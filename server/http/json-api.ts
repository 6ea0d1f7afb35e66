// Describes the read-only JSON API as a route table, with its checks and its error format.

import type { Caller } from '../../calls/contract/context.ts';
import { errorBody } from '../../protocol/errors.ts';
import type { HttpDeps } from './deps.ts';
import type { ErrorFormat } from './kit/error-response.ts';
import { ApiError } from './kit/http-error.ts';
import { createGatewayGuard, isApiPath, isListedOrigin } from './kit/request-guard.ts';
import type { AccessRequest, RouteTable } from './kit/route-table.ts';
import type { JsonRoute } from './route.ts';
import { routes as allRoutes } from './routes/routes.ts';

export function createJsonApi(deps: HttpDeps, routes: readonly JsonRoute[] = allRoutes): RouteTable<HttpDeps> {
  return {
    base: '',
    // A misspelled parameter must not be ignored: the response would look right and be wrong.
    routes: routes.map((route) => ({ query: [], ...route })),
    deps,
    // Every route is read-only, so requests of all origins are accepted.
    guard: { ...createGatewayGuard(() => deps.config()), checkOrigin: () => ({ accepted: true }) },
    cors: {
      allows: (origin, { path }) => (isApiPath(path) ? isListedOrigin(origin, deps.config().http.origins) : undefined),
      methods: 'GET, HEAD',
      allowHeaders: 'Authorization, Last-Event-ID',
      exposeHeaders: 'Content-Disposition, Content-Range, ETag, Link, X-Gap, X-Request-Id',
    },
    errorFormat: formatJsonError,
    headers: { 'Cache-Control': 'no-cache' },
    etag: true,
    authorize: (request, route) => authorize(request, route, deps),
    writeStallMs: () => deps.config().limits.writeStallMs,
    log: deps.log,
  };
}

const formatJsonError: ErrorFormat = (error) => {
  const body =
    error instanceof ApiError
      ? errorBody(error.code, error.message)
      : { status: error.status, code: 'bad_request', message: error.message };
  return { text: JSON.stringify(body), type: 'application/json; charset=utf-8' };
};

const noCaller: Caller = { user: '', token: false, scopes: [] };
const challenge = { 'WWW-Authenticate': 'Bearer' };

function authorize({ headers }: AccessRequest, route: JsonRoute, { access }: HttpDeps): Caller {
  // Probes at paths outside of the API may send any credentials.
  if (!isApiPath(route.path)) return noCaller;
  const identified = access.identify(headers);
  if ('rejected' in identified) throw new ApiError('invalid_credentials', identified.rejected, challenge);
  const { caller } = identified;
  if (access.allows(caller, route.scope)) return caller;
  const text = access.missingScopeMessage(route.scope ?? '');
  // Clients of the older paths do not know status 401, so they get 403.
  if (caller.user === '' && route.aliasOf === undefined) throw new ApiError('login_required', text, challenge);
  throw new ApiError('missing_scope', text);
}
