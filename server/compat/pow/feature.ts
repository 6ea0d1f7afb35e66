// The pow-1 REST API as a feature of the gateway: requests start calls, send input, cancel, and poll the status. Errors
// are plain text.

import type { Caller } from '../../../calls/contract/context.ts';
import { errors } from '../../../protocol/errors.ts';
import type { ErrorFormat } from '../../http/kit/error-response.ts';
import type { Feature } from '../../http/kit/feature.ts';
import { HttpError } from '../../http/kit/http-error.ts';
import { BodyError } from '../../http/kit/read-body.ts';
import { isListedOrigin } from '../../http/kit/request-guard.ts';
import type { AccessRequest, RouteTable } from '../../http/kit/route-table.ts';
import type { PowDeps } from './deps.ts';
import { base } from './openapi.ts';
import type { PowContext } from './route.ts';
import { routes } from './routes.ts';
import { TrackedRuns } from './tracked-runs.ts';

export function createPowFeature(deps: PowDeps): Feature & { readonly routes: RouteTable } {
  const trackedRuns = new TrackedRuns(deps, () => deps.config().limits);
  return {
    name: 'pow',
    routes: createRouteTable({ ...deps, trackedRuns }),
    metrics: () => ({ powRuns: trackedRuns.size }),
    close: () => trackedRuns.close(),
  };
}

function createRouteTable(deps: PowContext): RouteTable<PowContext> {
  return {
    base,
    routes,
    deps,
    guard: deps.guard,
    cors: {
      allows: (origin) => isListedOrigin(origin, deps.config().http.origins),
      methods: 'GET, HEAD, POST',
      allowHeaders: 'Authorization, Content-Type',
    },
    errorFormat: formatTextError,
    headers: { 'Cache-Control': 'no-store' },
    etag: false,
    authorize: (request) => authorize(request, deps),
    writeStallMs: () => deps.config().limits.writeStallMs,
    log: deps.log,
  };
}

const formatTextError: ErrorFormat = (error) => ({
  text: error instanceof BodyError && error.reason === 'too-large' ? 'message too large' : error.message,
  type: 'text/plain; charset=utf-8',
});

const challenge = { 'WWW-Authenticate': 'Bearer' };

/** Allows the callers that may open a websocket. */
function authorize({ headers }: AccessRequest, { access }: PowDeps): Caller {
  const identified = access.identify(headers);
  if ('rejected' in identified) throw new HttpError(401, identified.rejected, challenge);
  const { caller } = identified;
  if (access.allows(caller, 'user.valid')) return caller;
  throw caller.user === ''
    ? new HttpError(401, errors.login_required.message, challenge)
    : new HttpError(403, access.missingScopeMessage('user.valid'));
}
