// Lets pages of the origins in http.origins read answers. Without any listed, no answer says a word about origins.

import type { Context } from 'koa';
import { isApi } from './door.ts';

export function allowListedOrigin(ctx: Context, origins: readonly string[]): void {
  if (origins.length === 0 || !isApi(ctx.path)) return;
  ctx.vary('Origin');
  const origin = ctx.get('Origin');
  if (!origins.some((listed) => listed.toLowerCase() === origin.toLowerCase())) return;
  ctx.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': 'Content-Disposition, Content-Range, ETag, Link, X-Gap, X-Request-Id' });
  if (ctx.method === 'OPTIONS') ctx.set({ 'Access-Control-Allow-Methods': 'GET, HEAD', 'Access-Control-Allow-Headers': 'Authorization, Last-Event-ID' });
}
