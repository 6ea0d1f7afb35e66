// One request after the other: who may come in, what they ask for, and what they are told. The order of the checks is fixed: place, route, method, token.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { allowPage, checkPlace, checkToken, type GuardRules } from './guard.ts';
import { PinRefusal } from './refusal.ts';
import type { Answer, DoorParts, Route } from './routes/route.ts';
import { find } from './routes/table.ts';

/** After an answer to a request that was not read to its end, so that the answer arrives: dropping the connection would take it away. */
const lingerMs = 5_000;

export class Desk {
  readonly #door: DoorParts;
  readonly #prefix: string;
  readonly #rules: GuardRules;

  constructor(door: DoorParts, { prefix }: { readonly prefix: string }) {
    const { secrets: { token }, options: { allowOrigins } } = door;
    this.#door = door;
    this.#prefix = prefix;
    this.#rules = { origins: allowOrigins, ...(token !== undefined && { token }) };
  }

  /** Answers everything, and never throws. */
  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.on('error', () => {});
    this.#ask(request, response).catch((error: unknown) => this.#fail(error, request, response)).finally(() => letGo(request));
  };

  async #ask(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('X-Content-Type-Options', 'nosniff').setHeader('Cache-Control', 'no-store');
    checkPlace(request, this.#rules);
    allowPage(request, response);
    const { path, query } = addressOf(request.url ?? '', this.#prefix);
    const found = find(path);
    if (found === undefined) throw new PinRefusal('not_found', `there is nothing at ${JSON.stringify(path.slice(0, 200))}`);
    const allow = [...new Set(found.routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))), 'OPTIONS'].join(', ');
    if (request.method === 'OPTIONS') return void response.writeHead(204, { Allow: allow }).end();
    const route = found.routes.find((one) => fits(one, request.method));
    if (route === undefined) throw new PinRefusal('method_not_allowed', `${request.method} is not allowed here; ${allow} are`, { headers: { Allow: allow } });
    if (route.open !== true) checkToken(request.headers, this.#rules);
    await write(response, await route.answer({ request, id: found.id, query, unnamed: found.unnamed }, this.#door), request.method === 'HEAD');
  }

  #fail(error: unknown, { method, url }: IncomingMessage, response: ServerResponse): void {
    if (response.headersSent || response.destroyed) {
      if (!response.destroyed) this.#door.log.error({ err: error, method, path: pathOf(url) }, 'an answer could not be finished');
      return void response.destroy();
    }
    const refusal = error instanceof PinRefusal ? error : this.#mistake(error, { method, url });
    const text = JSON.stringify(refusal.body);
    response.writeHead(refusal.status, { ...json, ...refusal.more.headers, 'Content-Length': Buffer.byteLength(text) });
    response.end(method === 'HEAD' ? undefined : text);
  }

  /** Ours: logged with its cause under an id, and the client reads the id only. */
  #mistake(error: unknown, { method, url }: Pick<IncomingMessage, 'method' | 'url'>): PinRefusal {
    const request = randomUUID();
    this.#door.log.error({ err: error, request, method, path: pathOf(url) }, 'a request failed');
    return new PinRefusal('internal_error', 'unknown error', { headers: { 'X-Request-Id': request } });
  }
}

const json = { 'Content-Type': 'application/json; charset=utf-8' };

function fits({ method }: Route, asked: string | undefined): boolean {
  return method === asked || (method === 'GET' && asked === 'HEAD');
}

/** Behind the prefix. An absolute address, as for a proxy, is taken by its path. */
function addressOf(url: string, prefix: string): { readonly path: string; readonly query: URLSearchParams } {
  const local = /^https?:\/\//i.test(url) && URL.canParse(url) ? url.replace(/^https?:\/\/[^/?]*/i, '') : url;
  const at = local.indexOf('?');
  const path = at === -1 ? local : local.slice(0, at);
  return { path: path.slice(prefix.length), query: new URLSearchParams(at === -1 ? '' : local.slice(at)) };
}

function pathOf(url = ''): string {
  return url.replace(/\?.*$/s, '');
}

async function write(response: ServerResponse, answer: Answer, headOnly: boolean): Promise<void> {
  if ('nothing' in answer) return void response.writeHead(204).end();
  if ('json' in answer) {
    const text = JSON.stringify(answer.json);
    response.writeHead(answer.status ?? 200, { ...json, 'Content-Length': Buffer.byteLength(text) });
    return void response.end(headOnly ? undefined : text);
  }
  response.writeHead(200, { 'Content-Type': answer.type, ...answer.headers });
  if (headOnly) return void response.end();
  response.flushHeaders();
  await answer.write(response);
}

/** What is left of the request is passed over, for a while. */
function letGo(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const late = setTimeout(() => request.socket.destroy(), lingerMs).unref();
  request.on('close', () => clearTimeout(late));
}
