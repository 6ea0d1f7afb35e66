// Checks every request before its route: one Host header, the form of its target, API switch, host, origin. Sets the
// cross-origin headers.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { type CheckResult, checkHost } from '../../auth/hosts.ts';
import { checkOrigin } from '../../auth/origins.ts';
import { ApiError } from './http-error.ts';

/** The parts of a request that the checks use. */
export interface GuardedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Port at which the connection arrived. */
  readonly localPort: number | undefined;
}

/** The checks of one API. */
export interface RequestGuard {
  /** Returns false if the API returns only 501 on this path. */
  isEnabled(path: string): boolean;
  checkHost(request: GuardedRequest): CheckResult;
  /** Called for requests that can change something, and for every request of an API that is `strict`. */
  checkOrigin(request: GuardedRequest): CheckResult;
  /** True if pages of foreign origins may not even read. */
  readonly strict?: boolean;
}

/** Throws an ApiError for the first check that fails. */
export function guardRequest(request: GuardedRequest, guard: RequestGuard): void {
  if (!guard.isEnabled(request.path)) throw new ApiError('not_implemented');
  const host = guard.checkHost(request);
  if ('rejected' in host) throw new ApiError('unknown_host', host.rejected);
  if (guard.strict !== true && readingMethods.has(request.method)) return;
  const origin = guard.checkOrigin(request);
  if ('rejected' in origin) throw new ApiError('origin_refused', origin.rejected);
}

const readingMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function guardedRequest({ method = '', headers, socket }: IncomingMessage, path: string): GuardedRequest {
  return { method, path, headers, localPort: socket.localPort };
}

export interface GatewayHttpConfig {
  readonly http: {
    readonly api: boolean;
    readonly host: string;
    readonly domains: readonly string[];
    readonly origins: readonly string[];
  };
}

export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}

/** Returns the checks of the gateway's own address. `config` returns the configuration in force. */
export function createGatewayGuard(config: () => GatewayHttpConfig): RequestGuard {
  return {
    isEnabled: (path) => !isApiPath(path) || config().http.api,
    checkHost: ({ path, headers }) => {
      const { host, domains } = config().http;
      return probePaths.test(path) ? { accepted: true } : checkHost(headers.host, { listenHost: host, domains });
    },
    checkOrigin: ({ headers }) => checkOrigin(headers, config().http),
  };
}

// Accept every host for probes: they use any address that reaches the gateway, and the responses contain nothing of use
// to a foreign page.
const probePaths = /^\/(healthz|readyz)\/?$/;

/**
 * Replaces an absolute target (`GET http://host/path`) by its path and the Host header by its host, as RFC 9112, 3.2.2
 * requires. Throws an ApiError for a malformed target and for more than one Host header. Idempotent.
 */
export function normalizeTarget(request: IncomingMessage): void {
  const hosts = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1) throw new ApiError('bad_request', `the request has ${hosts} Host headers; send exactly one`);
  const { url = '' } = request;
  if (url.startsWith('/') || url === '*') return;
  const [authority, path] = splitAbsolute(url);
  request.headers.host = authority;
  request.url = path.startsWith('/') ? path : `/${path}`;
}

/** Normalizes the target like `normalizeTarget`, but returns the message of the error; undefined if there is none. */
export function targetError(request: IncomingMessage): string | undefined {
  try {
    normalizeTarget(request);
    return undefined;
  } catch (error) {
    return (error as ApiError).message;
  }
}

/** Returns the path of a target, which may be absolute, without its query. Never throws. */
export function targetPath(url = ''): string {
  return url.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/s, '');
}

function splitAbsolute(url: string): readonly [authority: string, path: string] {
  const [, authority = '', path = ''] = /^https?:\/\/([^/?#@\s]+)((?:[/?].*)?)$/is.exec(url) ?? [];
  if (authority === '' || !URL.canParse(url))
    throw new ApiError('bad_request', 'the address of the request is malformed');
  return [authority, path];
}

export interface CorsPolicy {
  /** Returns whether pages of this origin may read the response; undefined to send no CORS headers at all. */
  allows(
    origin: string,
    request: { readonly path: string; readonly localPort: number | undefined },
  ): boolean | undefined;
  /** Methods and headers that a preflight allows. */
  readonly methods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders?: string;
  /** Seconds for which a browser may cache the response to a preflight. */
  readonly maxAgeSeconds?: number;
  /** Whether pages from public addresses may use this API at a private address. */
  readonly privateNetwork?: boolean;
}

export function setCorsHeaders(ctx: Context, policy: CorsPolicy): void {
  const origin = ctx.get('Origin');
  const allowed = policy.allows(origin, { path: ctx.path, localPort: ctx.req.socket.localPort });
  if (allowed === undefined) return;
  ctx.vary('Origin');
  if (!allowed || origin === '') return;
  ctx.set('Access-Control-Allow-Origin', origin);
  if (policy.exposeHeaders !== undefined) ctx.set('Access-Control-Expose-Headers', policy.exposeHeaders);
  if (ctx.method === 'OPTIONS') setPreflightHeaders(ctx, policy);
}

function setPreflightHeaders(ctx: Context, policy: CorsPolicy): void {
  ctx.set({
    'Access-Control-Allow-Methods': policy.methods,
    'Access-Control-Allow-Headers': policy.allowHeaders,
  });
  if (policy.maxAgeSeconds !== undefined) ctx.set('Access-Control-Max-Age', String(policy.maxAgeSeconds));
  if (policy.privateNetwork === true && ctx.get('Access-Control-Request-Private-Network') === 'true')
    ctx.set('Access-Control-Allow-Private-Network', 'true');
}

/** Returns whether `origin` is in the list, ignoring case; undefined if the list is empty. */
export function isListedOrigin(origin: string, listed: readonly string[]): boolean | undefined {
  if (listed.length === 0) return undefined;
  return listed.some((one) => one.toLowerCase() === origin.toLowerCase());
}
