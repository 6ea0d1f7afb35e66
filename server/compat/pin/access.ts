// Decides which requests may use the pin API: by their host, origin and token.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { accepted, isAddressOrName, quoteHeader } from '../../auth/hosts.ts';
import { isListed } from '../../auth/origins.ts';
import type { CorsPolicy, RequestGuard } from '../../http/kit/request-guard.ts';
import type { RouteTable } from '../../http/kit/route-table.ts';
import { pinCaller } from './call.ts';
import { PinHttpError } from './errors.ts';
import type { PinRoute } from './routes/route.ts';

export interface AccessRules {
  readonly token?: string;
  /** `scheme://host[:port]` */
  readonly origins: readonly string[];
}

/** Returns the checks of a route table. `rules` is called for each request. */
export function createPinAccess(rules: () => AccessRules): Pick<RouteTable, 'guard' | 'cors' | 'authorize'> {
  return {
    guard: createGuard(rules),
    cors: createCors(rules),
    authorize({ headers }, route: PinRoute) {
      if (route.open !== true) checkToken(headers, rules());
      return pinCaller;
    },
  };
}

function createGuard(rules: () => AccessRules): RequestGuard {
  return {
    isEnabled: () => true,
    // Without a token, reject a name that a foreign page can point at this machine (DNS rebinding).
    checkHost: ({ headers: { host } }) => {
      const { token, origins } = rules();
      if (token !== undefined || isAddressOrName(host, origins.flatMap(hostName))) return accepted;
      return {
        rejected: [
          `the host ${quoteHeader(host)} is not accepted; use 127.0.0.1, or list an origin with `,
          'this name in compat.pin.allowOrigins',
        ].join(''),
      };
    },
    checkOrigin: ({ headers: { origin }, localPort }) => {
      if (origin === undefined || isAllowedOrigin(origin, rules().origins, localPort)) return accepted;
      return {
        rejected: `the origin ${quoteHeader(origin)} is not allowed; compat.pin.allowOrigins lists the allowed origins`,
      };
    },
    strict: true,
  };
}

function createCors(rules: () => AccessRules): CorsPolicy {
  return {
    allows: (origin, { localPort }) => isAllowedOrigin(origin, rules().origins, localPort),
    methods: 'GET, HEAD, POST',
    allowHeaders: 'Authorization, Content-Type, X-Pin-Token, Last-Event-ID, Cache-Control',
    maxAgeSeconds: 600,
    privateNetwork: true,
  };
}

/** Throws a PinHttpError if the API has a token and the request does not present it. */
function checkToken(headers: IncomingHttpHeaders, { token }: AccessRules): void {
  if (token === undefined) return;
  const bearer = /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trimEnd();
  const own = headers['x-pin-token'];
  const given = [bearer, typeof own === 'string' ? own : undefined].filter((one) => one !== undefined);
  // Compare every given token, so that the duration reveals nothing.
  const matches = given.map((one) => isSameSecret(one, token));
  if (matches.includes(true)) return;
  const message =
    given.length === 0
      ? 'a token is required: Authorization: Bearer TOKEN, or X-Pin-Token: TOKEN'
      : 'the token is not valid';
  throw new PinHttpError('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

/** Accepts listed origins, and pages that this listener serves to browsers on this machine. */
function isAllowedOrigin(origin: string, listed: readonly string[], port: number | undefined): boolean {
  const own = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `http://${name}:${port}`);
  return isListed(origin, [...listed, ...own]);
}

function hostName(origin: string): readonly string[] {
  return URL.canParse(origin) ? [new URL(origin).hostname.toLowerCase()] : [];
}

/** Compares digests, because `timingSafeEqual` requires values of the same length. */
function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
