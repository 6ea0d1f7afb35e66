// pow-1 without a websocket: calls are started, fed and stopped by requests, and their status is asked for. Errors are plain text.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../../calls/contract/context.ts';
import { errors } from '../../../protocol/errors.ts';
import { bodyOf } from './body.ts';
import { base, openapi, page } from './describe.ts';
import type { PowParts } from './parts.ts';
import { Problem } from './problem.ts';
import { Processes } from './processes.ts';
import { powRoutes, type Answer, type PowRoute } from './routes.ts';

/** As the routes, but about them. */
const about: readonly PowRoute[] = [
  { method: 'GET', path: '/openapi.json', summary: 'these routes, for programs', success: 'OpenAPI 3', failures: {}, answer: () => ({ json: openapi(powRoutes) }) },
  { method: 'GET', path: '/docs', summary: 'these routes, for people', success: 'a page', failures: {}, answer: () => ({ html: page(powRoutes) }) },
];
const routes = [...powRoutes, ...about].map((route) => ({ route, pattern: new RegExp(`^${route.path.replace('.', '\\.').replace('{id}', '(?<id>[^/]+)')}$`) }));

export class PowDoor {
  readonly #parts: PowParts;
  readonly #processes: Processes;

  constructor(parts: PowParts) {
    this.#parts = parts;
    this.#processes = new Processes(parts, () => parts.config().limits);
  }

  /** Whether a request to this address is to be answered here. */
  static has(url = ''): boolean {
    return url === base || (url.startsWith(base) && /[/?]/.test(url[base.length]!));
  }

  /** For the 'request' event of the HTTP server. Answers everything, and never throws. */
  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.on('error', () => {});
    this.#ask(request, response).catch((error: unknown) => this.#fail(error, request, response));
  };

  /** Ids that are known. */
  get size(): number {
    return this.#processes.size;
  }

  /** Forgets all ids. Safe twice. */
  close(): void {
    this.#processes.close();
  }

  async #ask(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/\?.*$/s, '').slice(base.length).replace(/\/$/, '');
    this.#letIn(request, response);
    const { route, id } = find(path);
    const allow = `${route.method === 'GET' ? 'GET, HEAD' : 'POST'}, OPTIONS`;
    if (!allow.split(', ').includes(request.method ?? '')) throw new Problem(405, errors.method_not_allowed.message, { Allow: allow });
    if (request.method === 'OPTIONS') return void response.writeHead(204, { Allow: allow }).end();
    const caller = this.#identify(request);
    const body = route.body === undefined ? Buffer.alloc(0) : await bodyOf(request, this.#parts.config().limits.messageBytesMax);
    write(response, await route.answer({ id, body, caller, processes: this.#processes }, this.#parts), request.method === 'HEAD');
  }

  /** Before any route is looked at: is the API on, is it us who are asked, and is it a page that may read the answer. */
  #letIn({ headers }: IncomingMessage, response: ServerResponse): void {
    const { access, config } = this.#parts;
    const { http } = config();
    response.setHeader('Cache-Control', 'no-store').setHeader('X-Content-Type-Options', 'nosniff');
    if (!http.api) throw new Problem(errors.not_implemented.status, errors.not_implemented.message);
    const host = access.checkHost(headers.host, { listenHost: http.host, domains: http.domains });
    if ('refused' in host) throw new Problem(errors.unknown_host.status, host.refused);
    if (http.origins.length === 0) return;
    response.setHeader('Vary', 'Origin');
    const listed = headers.origin !== undefined && http.origins.some((origin) => origin.toLowerCase() === headers.origin?.toLowerCase());
    if (!listed) return;
    response.setHeader('Access-Control-Allow-Origin', headers.origin!);
    response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST').setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type');
  }

  /** Who may open a websocket may come in here, and nobody else. A page of elsewhere may look, as far as its browser lets it, and change nothing. */
  #identify({ method, headers }: IncomingMessage): Caller {
    const { access, config } = this.#parts;
    const origin = method === 'POST' ? access.checkOrigin(headers, config().http) : undefined;
    if (origin !== undefined && 'refused' in origin) throw new Problem(403, origin.refused);
    const identified = access.identify(headers);
    if ('refused' in identified) throw new Problem(401, identified.refused, challenge);
    const { caller } = identified;
    if (access.allows(caller, 'user.valid')) return caller;
    throw caller.user === '' ? new Problem(401, errors.login_required.message, challenge) : new Problem(403, access.scopeText('user.valid'));
  }

  #fail(error: unknown, { method, url }: IncomingMessage, response: ServerResponse): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    if (error instanceof Problem) return send(response.writeHead(error.status, { ...text, ...error.headers }), error.message, method === 'HEAD');
    const request = randomUUID();
    this.#parts.log.error({ err: error, request, method, path: (url ?? '').replace(/\?.*$/s, '') }, 'a request failed');
    send(response.writeHead(500, { ...text, 'X-Request-Id': request }), errors.internal.message, method === 'HEAD');
  }
}

const challenge = { 'WWW-Authenticate': 'Bearer' };
const text = { 'Content-Type': 'text/plain; charset=utf-8' };
const html = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" };

function find(path: string): { route: PowRoute; id: string } {
  if (path === '') throw new Problem(426, 'this address speaks websocket only, with the subprotocol pow-1', { Upgrade: 'websocket', Connection: 'Upgrade' });
  for (const { route, pattern } of routes) {
    const match = pattern.exec(path);
    if (match !== null) return { route, id: match.groups?.['id'] ?? '' };
  }
  throw new Problem(404, errors.not_found.message);
}

function write(response: ServerResponse, answer: Answer, headOnly: boolean): void {
  if ('json' in answer) send(response.writeHead(200, { 'Content-Type': 'application/json' }), JSON.stringify(answer.json), headOnly);
  else if ('html' in answer) send(response.writeHead(200, html), answer.html, headOnly);
  else send(response.writeHead(200, text), answer.text, headOnly);
}

function send(response: ServerResponse, body: string, headOnly: boolean): void {
  response.end(headOnly ? undefined : body);
}
