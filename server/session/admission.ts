// Whether a websocket is accepted: every check before the upgrade, in the documented order; each refusal is an HTTP answer.

import type { IncomingMessage } from 'node:http';
import type { Caller } from '../../calls/contract/context.ts';
import { chooseDialect, endpoints, subprotocols, type Endpoint } from '../../protocol/dialects/choose.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import type { Config } from '../config/config.ts';
import type { HttpRefusal } from './answer.ts';

type Checked = { readonly accepted: true } | { readonly refused: string };

export interface AdmissionParts {
  readonly config: () => Pick<Config, 'http'>;
  readonly access: {
    identify(headers: { readonly authorization?: string | undefined }): { readonly caller: Caller } | { readonly refused: string };
    allows(caller: Caller, scope: string): boolean;
    checkHost(header: string | undefined, rules: { readonly listenHost: string; readonly domains: readonly string[] }): Checked;
    checkOrigin(headers: { readonly origin?: string | undefined; readonly host?: string | undefined }, rules: { readonly origins: readonly string[] }): Checked;
  };
}

export interface Admitted {
  readonly caller: Caller;
  readonly dialect: Dialect;
}

/** True for requests that ask for a websocket, or whose path has nothing else to offer; all others are served as if they had not asked for an upgrade. */
export function wantsWebsocket({ url, headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' || endpointOf(url) !== undefined;
}

/** Where a websocket is opened with this address; undefined when none is. */
export function endpointOf(url: string | undefined): Endpoint | undefined {
  return endpointAt(pathOf(url));
}

function endpointAt(path: string): Endpoint | undefined {
  return endpoints.find((endpoint) => endpoint === path);
}

/** `stopping`: the gateway takes no new sessions. `full`: there are as many as may be. */
export function admit(request: IncomingMessage, parts: AdmissionParts & { stopping: boolean; full: boolean }): Admitted | { refused: HttpRefusal } {
  const admitted = check(request, parts);
  // Clients of that address read text.
  const plain = 'refused' in admitted && /^\/api\/v1\/pow(\/|$)/.test(pathOf(request.url));
  return plain ? { refused: { ...admitted.refused, plain } } : admitted;
}

function check(request: IncomingMessage, { config, access, stopping, full }: AdmissionParts & { stopping: boolean; full: boolean }): Admitted | { refused: HttpRefusal } {
  const { headers } = request;
  const { http } = config();
  const path = pathOf(request.url);
  if (/^\/api(\/|$)/.test(path) && !http.api) return refuse('not_implemented');
  if ('refused' in access.checkHost(headers.host, { listenHost: http.host, domains: http.domains })) return refuse('unknown_host');
  const endpoint = endpointAt(path);
  if (endpoint === undefined) return refuse('not_found', `no websocket here; it is at ${endpoints[0]}`);
  const handshake = checkHandshake(request);
  if (handshake !== undefined) return { refused: handshake };
  if (stopping) return refuse('stopping');
  if (full) return refuse('not_ready', 'too many sessions; try again later');
  const origin = access.checkOrigin(headers, http);
  if ('refused' in origin) return refuse('origin_refused', origin.refused);
  const identified = access.identify(headers);
  if ('refused' in identified) return refuse('invalid_credentials', identified.refused);
  const { caller } = identified;
  // The older endpoint is for those who are logged in; at the other one each call says whom it is for.
  if (endpoint === '/api/v1/pow' && !access.allows(caller, 'user.valid')) return refuse('login_required');
  const dialect = dialectFor(offeredBy(request), endpoint);
  return 'code' in dialect ? { refused: dialect } : { caller, dialect };
}

function dialectFor(offered: readonly string[], endpoint: Endpoint): Dialect | HttpRefusal {
  const listed = isListOfNames(offered);
  const dialect = listed ? chooseDialect(offered, endpoint) : undefined;
  if (dialect !== undefined) return dialect;
  if (endpoint === '/api/v1/pow') return { code: 'subprotocol_required' };
  return { code: 'bad_request', message: listed ? `unknown subprotocol; known: ${subprotocols.join(', ')}, or none` : 'Sec-WebSocket-Protocol is not a list of different subprotocols' };
}

function pathOf(url = ''): string {
  return url.split('?')[0]!.replace(/\/$/, '');
}

/** The handshake of RFC 6455, 4.2.1; undefined when it is valid. */
function checkHandshake({ method, headers }: IncomingMessage): HttpRefusal | undefined {
  if (method !== 'GET') return { code: 'bad_request', message: `a websocket is opened with GET, not ${method}` };
  if (headers.upgrade?.toLowerCase() !== 'websocket') return { code: 'bad_request', message: 'not a websocket upgrade' };
  if (headers['sec-websocket-version'] !== '13') return { code: 'upgrade_required', message: 'websocket version 13 is needed' };
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) return { code: 'bad_request', message: 'Sec-WebSocket-Key is missing or invalid' };
  return undefined;
}

function offeredBy({ headers }: IncomingMessage): readonly string[] {
  const header = headers['sec-websocket-protocol'];
  return header === undefined ? [] : header.split(',').map((name) => name.trim());
}

/** RFC 6455, 4.1, point 10; RFC 9110, 5.6.2. What is not, ws would refuse in words of its own. */
function isListOfNames(offered: readonly string[]): boolean {
  return new Set(offered).size === offered.length && offered.every((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name));
}

function refuse(code: HttpRefusal['code'], message?: string): { refused: HttpRefusal } {
  return { refused: message === undefined ? { code } : { code, message } };
}
