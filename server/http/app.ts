// The read-only half of the API, and the few addresses beside it. GET never changes anything here.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Router } from '@koa/router';
import Koa from 'koa';
import type { Context } from 'koa';
import { ask } from './ask.ts';
import { allowListedOrigin } from './cors.ts';
import { funnel } from './funnel.ts';
import { checkDoor } from './door.ts';
import type { HttpParts } from './parts.ts';
import { Refusal } from './refusal.ts';
import type { Route } from './route.ts';
import { routes as allRoutes } from './routes/table.ts';

/**
 * Gives the listener for a server's `request`. It answers everything, an unknown address too, and never throws.
 * The order of its checks is fixed: API on, host, route, method, credentials, scope, params.
 */
export function createHttpApp(parts: HttpParts, routes: readonly Route[] = allRoutes): (req: IncomingMessage, res: ServerResponse) => void {
  const app = new Koa();
  app.on('error', (error: unknown) => parts.log.info({ err: error }, 'a connection was lost before its answer was read'));
  app.use((ctx, next) => answerErrors(ctx, next, parts));
  app.use((ctx, next) => {
    allowListedOrigin(ctx, parts.config().http.origins);
    checkDoor({ path: ctx.path, host: ctx.get('Host') }, parts);
    return next();
  });
  app.use(router(routes, parts).routes());
  app.use(() => {
    throw new Refusal('not_found');
  });
  const handle = app.callback();
  return (req, res) => void handle(req, res);
}

async function answerErrors(ctx: Context, next: () => Promise<unknown>, { log }: HttpParts): Promise<void> {
  ctx.set({ 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' });
  try {
    checkAddress(ctx);
    await next();
  } catch (error) {
    const told = funnel(error, { method: ctx.method, path: ctx.url.replace(/\?.*$/s, '') }, log);
    ctx.status = told.body.status;
    ctx.set(told.headers);
    ctx.body = JSON.stringify(told.body);
    ctx.type = 'json';
  }
}

// An absolute address, `GET http://[/ HTTP/1.1`, can be one that has no path.
function checkAddress(ctx: Context): void {
  try {
    void ctx.path;
  } catch {
    throw new Refusal('bad_request', 'the address of the request is malformed');
  }
}

// Every method comes to the route, so that the order of its checks is in one place.
function router(routes: readonly Route[], parts: HttpParts): Router {
  const all = new Router({ sensitive: true });
  for (const route of routes) all.all(route.path.replace(/\{(\w+)\}/g, ':$1').replace(/\{(\w+)…\}/, '*$1'), (ctx) => ask(ctx, route, parts));
  return all;
}
