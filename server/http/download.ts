// A file as an answer: whole or a range of it (RFC 9110, 14), as fast as the client takes it, and always as something to be saved.

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Context } from 'koa';
import { Stall, type SocketState } from '../support/stall.ts';
import { Refusal } from './refusal.ts';

/** An open file; the answer closes it. */
export interface Download {
  readonly file: FileHandle;
  readonly bytes: number;
  readonly modified: Date;
  /** Changes whenever the content may have. */
  readonly version: string;
  /** For the one who saves it. */
  readonly name: string;
}

/** Both ends included. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** A client that takes nothing for `writeStallMs` is cut off. Throws a Refusal for a range that is not in the file. */
export async function writeDownload(ctx: Context, download: Download, writeStallMs: number): Promise<void> {
  const { file } = download;
  let passedOn = false;
  try {
    const range = tellHead(ctx, download);
    if (ctx.status === 304 || ctx.method === 'HEAD') return;
    if (download.bytes === 0) return void (ctx.body = '');
    ctx.body = file.createReadStream(range);
    passedOn = true;
    watchTaking(ctx, writeStallMs);
  } finally {
    if (!passedOn) await file.close();
  }
}

/** Says everything but the body; gives what that is to be. */
function tellHead(ctx: Context, { bytes, modified, version, name }: Download): Range {
  const tag = `"${createHash('sha256').update(version).digest('base64url')}"`;
  const range = rangeOf(ctx, { bytes, tag });
  const { start, end } = range ?? { start: 0, end: bytes - 1 };
  ctx.status = 200;
  ctx.attachment(name);
  // Whatever it is: a page of ours it must not become.
  ctx.set({ 'Content-Type': 'application/octet-stream', ETag: tag, 'Last-Modified': modified.toUTCString(), 'Accept-Ranges': 'bytes' });
  if (ctx.fresh) {
    ctx.status = 304;
    return { start, end };
  }
  if (range !== undefined) {
    ctx.status = 206;
    ctx.set('Content-Range', `bytes ${start}-${end}/${bytes}`);
  }
  ctx.length = end - start + 1;
  return { start, end };
}

/** Undefined: the whole is wanted, or what is wanted is not understood, which is the same. */
function rangeOf(ctx: Context, { bytes, tag }: { readonly bytes: number; readonly tag: string }): Range | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(ctx.get('Range').trim()) ?? [];
  const condition = ctx.get('If-Range');
  if (ctx.method !== 'GET' || (from === '' && to === '') || (condition !== '' && condition !== tag)) return undefined;
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? bytes - 1 : Math.min(bytes - 1, Number(to));
  if (from !== '' && to !== '' && Number(to) < start) return undefined;
  if (start > end) throw new Refusal('range_not_satisfiable', `there are ${bytes} bytes, and none from ${start} on`, { 'Content-Range': `bytes */${bytes}` });
  return { start, end };
}

const lookMs = 1_000;

function watchTaking({ res }: Context, writeStallMs: number): void {
  // The client has gone meanwhile.
  if (res.socket === null) return;
  const stall = new Stall(res.socket as Socket & SocketState);
  const timer = setInterval(() => {
    if (stall.at(performance.now()) > writeStallMs) res.destroy();
  }, Math.min(lookMs, writeStallMs / 2)).unref();
  res.once('close', () => clearInterval(timer));
}
