// Checks websocket upgrade requests in the documented order. A rejection becomes an HTTP response.

import type { IncomingMessage } from 'node:http';
import type { Caller } from '../../calls/contract/context.ts';
import { chooseDialect, type Endpoint, endpoints, subprotocols } from '../../protocol/dialects/choose.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import { guardedRequest, type RequestGuard, targetError } from '../http/kit/request-guard.ts';
import type { UpgradeRejection } from './reject-upgrade.ts';

export interface UpgradeCheckDeps {
  readonly guard: RequestGuard;
  readonly access: {
    identify(headers: {
      readonly authorization?: string | undefined;
    }): { readonly caller: Caller } | { readonly rejected: string };
    allows(caller: Caller, scope: string): boolean;
  };
}

export interface AcceptedUpgrade {
  readonly caller: Caller;
  readonly dialect: Dialect;
}

/**
 * True for websocket upgrades and for paths that serve only websockets. Other upgrade requests are treated as plain
 * HTTP.
 */
export function wantsWebsocket({ url, headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' || requestEndpoint(url) !== undefined;
}

/** Returns the endpoint that a request URL names; undefined if no websocket is served there. */
export function requestEndpoint(url: string | undefined): Endpoint | undefined {
  return endpointAtPath(requestPath(url));
}

function endpointAtPath(path: string): Endpoint | undefined {
  return endpoints.find((endpoint) => endpoint === path);
}

/** `stopping`: the gateway accepts no new sessions. `full`: the session limit is reached. */
export function checkUpgrade(
  request: IncomingMessage,
  deps: UpgradeCheckDeps & { stopping: boolean; full: boolean },
): AcceptedUpgrade | { rejected: UpgradeRejection } {
  const checked = runChecks(request, deps);
  // Clients of this path expect plain text.
  const plainText = 'rejected' in checked && /^\/api\/v1\/pow(\/|$)/.test(requestPath(request.url));
  return plainText ? { rejected: { ...checked.rejected, plainText } } : checked;
}

function runChecks(
  request: IncomingMessage,
  { guard, access, stopping, full }: UpgradeCheckDeps & { stopping: boolean; full: boolean },
): AcceptedUpgrade | { rejected: UpgradeRejection } {
  const malformed = targetError(request);
  if (malformed !== undefined) return reject('bad_request', malformed);
  const path = requestPath(request.url);
  const guarded = guardedRequest(request, path);
  if (!guard.isEnabled(path)) return reject('not_implemented');
  if ('rejected' in guard.checkHost(guarded)) return reject('unknown_host');
  const endpoint = endpointAtPath(path);
  if (endpoint === undefined) return reject('not_found', `no websocket at this path; connect to ${endpoints[0]}`);
  const handshake = checkHandshake(request);
  if (handshake !== undefined) return { rejected: handshake };
  if (stopping) return reject('stopping');
  if (full) return reject('not_ready', 'too many sessions; try again later');
  const origin = guard.checkOrigin(guarded);
  if ('rejected' in origin) return reject('origin_refused', origin.rejected);
  const identification = access.identify(request.headers);
  if ('rejected' in identification) return reject('invalid_credentials', identification.rejected);
  const { caller } = identification;
  // The pow endpoint requires a login. At the other endpoint, each call has its own scope.
  if (endpoint === '/api/v1/pow' && !access.allows(caller, 'user.valid')) return reject('login_required');
  const dialect = negotiateDialect(offeredSubprotocols(request), endpoint);
  return 'code' in dialect ? { rejected: dialect } : { caller, dialect };
}

function negotiateDialect(offered: readonly string[], endpoint: Endpoint): Dialect | UpgradeRejection {
  const listed = isSubprotocolList(offered);
  const dialect = listed ? chooseDialect(offered, endpoint) : undefined;
  if (dialect !== undefined) return dialect;
  if (endpoint === '/api/v1/pow') return { code: 'subprotocol_required' };
  return {
    code: 'bad_request',
    message: listed
      ? `unknown subprotocol; known: ${subprotocols.join(', ')}, or none`
      : 'Sec-WebSocket-Protocol is not a list of different subprotocols',
  };
}

function requestPath(url = ''): string {
  return url.split('?')[0]!.replace(/\/$/, '');
}

/** Checks the handshake by RFC 6455, 4.2.1. Returns undefined if it is valid. */
function checkHandshake({ method, headers }: IncomingMessage): UpgradeRejection | undefined {
  if (method !== 'GET') return { code: 'bad_request', message: `a websocket upgrade needs GET, not ${method}` };
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { code: 'bad_request', message: 'not a websocket upgrade' };
  if (headers['sec-websocket-version'] !== '13')
    return { code: 'upgrade_required', message: 'websocket version 13 is required' };
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
    return { code: 'bad_request', message: 'Sec-WebSocket-Key is missing or invalid' };
  return undefined;
}

function offeredSubprotocols({ headers }: IncomingMessage): readonly string[] {
  const header = headers['sec-websocket-protocol'];
  return header === undefined ? [] : header.split(',').map((name) => name.trim());
}

/**
 * Checks the list by RFC 6455, 4.1, point 10, and RFC 9110, 5.6.2. Otherwise ws would reject it with a text of its own.
 */
function isSubprotocolList(offered: readonly string[]): boolean {
  return (
    new Set(offered).size === offered.length && offered.every((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
  );
}

function reject(code: UpgradeRejection['code'], message?: string): { rejected: UpgradeRejection } {
  return { rejected: message === undefined ? { code } : { code, message } };
}
