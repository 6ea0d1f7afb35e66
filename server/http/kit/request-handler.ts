// Serves a route table with Koa. The order of the checks is the same for every API: target, API switch, host, origin,
// route, method, access, encoding of the path.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Router } from '@koa/router';
import type { Context } from 'koa';
import Koa from 'koa';
import { toHttpError } from './error-response.ts';
import { ApiError } from './http-error.ts';
import { checkQueryNames } from './query.ts';
import { guardedRequest, guardRequest, normalizeTarget, setCorsHeaders } from './request-guard.ts';
import type { Route, RouteTable } from './route-table.ts';
import { writeResponse } from './write-response.ts';

/** Koa's context, with the path segments that the router found. */
type RoutedContext = Context & { readonly params: Readonly<Record<string, string>> };

/**
 * Returns a listener for `request` of a server. It responds to every request, also at unknown paths, and never throws.
 */
export function createRequestHandler<D>(table: RouteTable<D>): (req: IncomingMessage, res: ServerResponse) => void {
  const app = new Koa();
  app.on('error', (error: unknown) =>
    table.log.info({ err: error }, 'the connection was lost before the response was read'),
  );
  app.use((ctx, next) => answerErrors(ctx, next, table));
  app.use((ctx, next) => checkRequest(ctx, next, table));
  app.use(createRouter(table).routes());
  app.use(() => {
    throw new ApiError('not_found');
  });
  const handle = app.callback();
  return (req, res) => void handle(req, res).finally(() => discardRest(req));
}

async function answerErrors<D>(ctx: Context, next: () => Promise<unknown>, table: RouteTable<D>): Promise<void> {
  ctx.set({ ...table.headers, 'X-Content-Type-Options': 'nosniff' });
  try {
    normalizeTarget(ctx.req);
    await next();
  } catch (thrown) {
    const context = { method: ctx.method, path: ctx.url.replace(/\?.*$/s, '') };
    const error = toHttpError(thrown, context, table.log);
    const { text, type, status = error.status } = table.errorFormat(error, context);
    ctx.status = status;
    ctx.set(error.headers);
    ctx.body = text;
    ctx.set('Content-Type', type);
  }
}

function checkRequest<D>(ctx: Context, next: () => Promise<unknown>, table: RouteTable<D>): Promise<unknown> {
  setCorsHeaders(ctx, table.cors);
  guardRequest(guardedRequest(ctx.req, ctx.path), table.guard);
  return next();
}

// The router accepts every method, so that `handleRoute` does all checks in their order.
function createRouter<D>(table: RouteTable<D>): Router {
  const router = new Router({ sensitive: true });
  for (const path of new Set(table.routes.map((route) => route.path))) {
    const routes = table.routes.filter((route) => route.path === path);
    router.all(koaPath(table.base, path), (ctx) => handleRoute(ctx as RoutedContext, routes, table));
  }
  return router;
}

function koaPath(base: string, path: string): string {
  const full = base === '' ? path : `${base}${path.replace(/^\/$/, '')}`;
  return full.replace(/\{(\w+)\}/g, ':$1').replace(/\{(\w+)…\}/, '*$1');
}

async function handleRoute<D>(ctx: RoutedContext, routes: readonly Route<D>[], table: RouteTable<D>): Promise<void> {
  const allow = allowedMethods(routes);
  const method = ctx.method === 'HEAD' ? 'GET' : ctx.method;
  if (method === 'OPTIONS') return writeAllowedMethods(ctx, allow);
  const route = routes.find((one) => (one.method ?? 'GET') === method);
  if (route === undefined) throw new ApiError('method_not_allowed', undefined, { Allow: allow });
  const caller = table.authorize({ method: ctx.method, headers: ctx.req.headers }, route);
  checkEncoding(ctx.path);
  if (route.query !== undefined) checkQueryNames(ctx.query, route.query);
  const { params: segments, query, req: incoming } = ctx;
  const { headers } = incoming;
  const request = { segments, query, caller, method: ctx.method, headers, incoming, prefers: preferredType(ctx) };
  await writeResponse(ctx, await route.handle(request, table.deps), table);
}

function allowedMethods<D>(routes: readonly Route<D>[]): string {
  const methods = routes.flatMap(({ method = 'GET' }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return [...new Set(methods), 'OPTIONS'].join(', ');
}

function writeAllowedMethods(ctx: Context, allow: string): void {
  ctx.status = 204;
  ctx.set('Allow', allow);
}

function checkEncoding(path: string): void {
  try {
    decodeURIComponent(path);
  } catch {
    throw new ApiError(
      'bad_request',
      'the address is malformed near a %: each is followed by two hexadecimal digits, and together they are UTF-8',
    );
  }
}

function preferredType(ctx: Context): (...types: readonly string[]) => string {
  return (...types) => {
    const best = ctx.accepts(...types);
    return typeof best === 'string' ? best : (types[0] ?? '');
  };
}

/**
 * Time for a client to stop sending after the response. A client would lose the response if its connection were closed
 * while the client still sends.
 */
const lingerMs = 5_000;

/** Reads and drops the rest of the request, for at most `lingerMs`. */
function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), lingerMs).unref();
  request.on('close', () => clearTimeout(timer));
}
