// Writes the response of a route: JSON, text, a download, an event stream, or nothing.

import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { writeDownload } from './download.ts';
import type { RouteResponse, RouteTable } from './route-table.ts';
import { destroyWhenStalled } from './stalled-response.ts';

type Options = Pick<RouteTable, 'etag' | 'writeStallMs' | 'log'>;

export async function writeResponse(ctx: Context, response: RouteResponse, options: Options): Promise<void> {
  if ('download' in response) await writeDownload(ctx, response.download, options.writeStallMs());
  else if ('nothing' in response) ctx.status = 204;
  else if ('stream' in response) writeStream(ctx, response, options);
  else writeWhole(ctx, response, options);
}

function writeStream(
  ctx: Context,
  response: Extract<RouteResponse, { stream: unknown }>,
  { log, writeStallMs }: Options,
): void {
  const { stream, type, headers = {} } = response;
  ctx.status = 200;
  ctx.set({ 'Content-Type': type, ...headers });
  if (ctx.method === 'HEAD') return;
  ctx.respond = false;
  ctx.flushHeaders();
  ctx.res.on('error', () => {});
  destroyWhenStalled(ctx.res, writeStallMs());
  void (async () => stream(ctx.res))().catch((error: unknown) => {
    if (!ctx.res.destroyed) log.error({ err: error, path: ctx.path }, 'a response could not be finished');
    ctx.res.destroy();
  });
}

function writeWhole(
  ctx: Context,
  response: Extract<RouteResponse, { json: unknown } | { text: string }>,
  { etag }: Options,
): void {
  const text = 'json' in response ? JSON.stringify(response.json) : response.text;
  if ('status' in response && response.status !== undefined) ctx.status = response.status;
  ctx.body = text;
  ctx.set('Content-Type', contentType(response));
  for (const [name, value] of Object.entries(response.headers ?? {})) ctx.append(name, value);
  if (!etag) return;
  ctx.set('ETag', `"${createHash('sha256').update(text).digest('base64url')}"`);
  if (ctx.fresh) ctx.status = 304;
}

function contentType(response: { readonly json: unknown } | { readonly text: string; readonly type?: string }): string {
  if ('json' in response) return 'application/json; charset=utf-8';
  return response.type ?? 'text/plain; charset=utf-8';
}
