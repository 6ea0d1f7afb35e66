// One request to a known route: method, credentials, scope, then the route's own answer.

import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Caller } from '../../calls/contract/context.ts';
import { isApi } from './door.ts';
import { writeDownload } from './download.ts';
import type { Access, HttpParts } from './parts.ts';
import { Refusal } from './refusal.ts';
import type { Answer, Question, Route } from './route.ts';

/** What every route allows. */
export const allow = 'GET, HEAD, OPTIONS';

/** Koa's context, with the segments that its router found. */
type RoutedContext = Context & { readonly params: Readonly<Record<string, string>> };

export async function ask(ctx: RoutedContext, route: Route, parts: HttpParts): Promise<void> {
  if (!allow.split(', ').includes(ctx.method)) throw new Refusal('method_not_allowed', undefined, { Allow: allow });
  if (ctx.method === 'OPTIONS') return tellMethods(ctx);
  const caller = identified(ctx, route, parts.access);
  checkScope(caller, route, parts.access);
  checkEncoding(ctx.path);
  const answer = await route.answer(question(ctx, caller), parts);
  if ('download' in answer) await writeDownload(ctx, answer.download, parts.config().limits.writeStallMs);
  else write(ctx, answer);
}

function tellMethods(ctx: Context): void {
  ctx.status = 204;
  ctx.set('Allow', allow);
}

const nobody: Caller = { user: '', token: false, scopes: [] };

// Beside the API nobody is asked who they are: a probe may send whatever headers it likes.
function identified(ctx: Context, route: Route, access: Access): Caller {
  if (!isApi(route.path)) return nobody;
  const known = access.identify(ctx.req.headers);
  if ('caller' in known) return known.caller;
  throw new Refusal('invalid_credentials', known.refused, challenge);
}

function checkScope(caller: Caller, route: Route, access: Access): void {
  const { scope, aliasOf } = route;
  if (scope === undefined || access.allows(caller, scope)) return;
  const text = access.scopeText(scope);
  // Older clients know no 401.
  if (caller.user === '' && aliasOf === undefined) throw new Refusal('login_required', text, challenge);
  throw new Refusal('missing_scope', text);
}

const challenge = { 'WWW-Authenticate': 'Bearer' };

function checkEncoding(path: string): void {
  try {
    decodeURIComponent(path);
  } catch {
    throw new Refusal('bad_request', `the address is malformed near a %: each is followed by two hexadecimal digits, and together they are UTF-8`);
  }
}

function question(ctx: RoutedContext, caller: Caller): Question {
  const prefers = (...types: readonly string[]): string => {
    const best = ctx.accepts(...types);
    return typeof best === 'string' ? best : types[0] ?? '';
  };
  return { segments: ctx.params, query: ctx.query, caller, lastEventId: ctx.get('Last-Event-ID'), prefers };
}

function write(ctx: Context, answer: Exclude<Answer, { download: unknown }>): void {
  if ('nothing' in answer) ctx.status = 204;
  else if ('stream' in answer) writeStream(ctx, answer);
  else writeWhole(ctx, answer);
}

function writeStream(ctx: Context, { stream, type }: Extract<Answer, { stream: unknown }>): void {
  ctx.status = 200;
  ctx.set('Content-Type', type);
  // Proxies are not to gather it (nginx, X-Accel-Buffering).
  ctx.set('X-Accel-Buffering', 'no');
  if (ctx.method === 'HEAD') return;
  ctx.respond = false;
  ctx.flushHeaders();
  stream(ctx.res);
}

function writeWhole(ctx: Context, answer: Extract<Answer, { headers?: unknown }>): void {
  const text = 'json' in answer ? JSON.stringify(answer.json) : answer.text;
  ctx.body = text;
  ctx.type = 'json' in answer ? 'json' : 'text';
  for (const [name, value] of Object.entries(answer.headers ?? {})) ctx.append(name, value);
  ctx.set('ETag', `"${createHash('sha256').update(text).digest('base64url')}"`);
  if (ctx.fresh) ctx.status = 304;
}
