// Who may come in: the host that is asked for, the page that asks, and the token.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { PinRefusal } from './refusal.ts';

export interface GuardRules {
  readonly token?: string;
  /** `scheme://host[:port]` */
  readonly origins: readonly string[];
}

/** Throws a PinRefusal for a foreign page, and, without a token, for a name of which nobody knows who has pointed it here (DNS rebinding). */
export function checkPlace({ headers, socket }: IncomingMessage, { token, origins }: GuardRules): void {
  const { host, origin } = headers;
  if (token === undefined && !isOurHost(host, origins)) {
    throw new PinRefusal('forbidden', `the host ${shown(host)} is not answered for; use 127.0.0.1, or list an origin with this name in doors.pin.allowOrigins`);
  }
  if (origin === undefined || isAllowedOrigin(origin, { origins, port: socket.localPort })) return;
  throw new PinRefusal('forbidden', `the origin ${shown(origin)} is not allowed; doors.pin.allowOrigins lists those that are`);
}

/** Throws a PinRefusal when there is a token and the request does not bring it. */
export function checkToken(headers: IncomingHttpHeaders, { token }: GuardRules): void {
  if (token === undefined) return;
  const bearer = /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trimEnd();
  const own = headers['x-pin-token'];
  const given = [bearer, typeof own === 'string' ? own : undefined].filter((one) => one !== undefined);
  // All are looked at: how long that takes tells nothing.
  const fits = given.map((one) => isSame(one, token));
  if (fits.includes(true)) return;
  const message = given.length === 0 ? 'a token is needed: Authorization: Bearer TOKEN, or X-Pin-Token: TOKEN' : 'the token is not valid';
  throw new PinRefusal('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

/** To be called for a request that has passed `checkPlace`: pages of allowed origins may read the answer. */
export function allowPage({ headers, method }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Vary', 'Origin');
  if (headers.origin === undefined) return;
  response.setHeader('Access-Control-Allow-Origin', headers.origin);
  if (method !== 'OPTIONS') return;
  response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST');
  response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type, X-Pin-Token, Last-Event-ID, Cache-Control');
  response.setHeader('Access-Control-Max-Age', '600');
  if (headers['access-control-request-private-network'] === 'true') response.setHeader('Access-Control-Allow-Private-Network', 'true');
}

const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::\d{1,5})?$/;
const loopbackPattern = /^(?:[a-z0-9_-]+\.)*localhost$/;

function isOurHost(header: string | undefined, origins: readonly string[]): boolean {
  const name = hostPattern.exec(header?.toLowerCase() ?? '')?.[1];
  if (name === undefined) return false;
  return loopbackPattern.test(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || origins.some((origin) => hostOf(origin) === name);
}

/** A page of this door itself, on this machine, or one that is listed. `null` is nobody's. */
function isAllowedOrigin(origin: string, { origins, port }: { readonly origins: readonly string[]; readonly port: number | undefined }): boolean {
  const asked = normal(origin);
  if (asked === undefined) return false;
  if (origins.some((listed) => normal(listed) === asked)) return true;
  return ['127.0.0.1', 'localhost', '[::1]'].some((name) => normal(`http://${name}:${port}`) === asked);
}

const originPattern = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,\\]+$/i;

/** In lower case and without the scheme's own port; undefined for what is not one origin. */
function normal(origin: string): string | undefined {
  if (!originPattern.test(origin) || !URL.canParse(origin)) return undefined;
  const { protocol, host } = new URL(origin);
  return `${protocol}//${host}`.toLowerCase();
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).hostname.toLowerCase() : undefined;
}

/** Of digests: they are of one length, whatever was given. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

function shown(value: string | undefined): string {
  return JSON.stringify((value ?? '').slice(0, 100));
}
