// Sends a file as an attachment, whole or a range of it (RFC 9110, 14), at the speed of the client.

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Context } from 'koa';
import { ApiError } from './http-error.ts';
import { destroyWhenStalled } from './stalled-response.ts';

/** An open file. `writeDownload` closes it. */
export interface Download {
  readonly file: FileHandle;
  readonly bytes: number;
  readonly modified: Date;
  /** Changes whenever the content may have changed. */
  readonly version: string;
  /** File name in the Content-Disposition header. */
  readonly name: string;
}

/** Byte offsets, both inclusive. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Sends the download and disconnects a client that accepts no data for `writeStallMs`. Rejects with an ApiError for a
 * range outside the file.
 */
export async function writeDownload(ctx: Context, download: Download, writeStallMs: number): Promise<void> {
  const { file } = download;
  let streaming = false;
  try {
    const range = writeHead(ctx, download);
    if (ctx.status === 304 || ctx.method === 'HEAD') return;
    if (download.bytes === 0) return void (ctx.body = '');
    // The client disconnected while the file was opened: nothing would read the stream to its end.
    if (ctx.res.destroyed) return;
    const stream = file.createReadStream(range);
    streaming = true;
    ctx.res.once('close', () => stream.destroy());
    ctx.body = stream;
    destroyWhenStalled(ctx.res, writeStallMs);
  } finally {
    if (!streaming) await file.close();
  }
}

/** Writes status and headers. Returns the range to send. */
function writeHead(ctx: Context, { bytes, modified, version, name }: Download): Range {
  const tag = `"${createHash('sha256').update(version).digest('base64url')}"`;
  const range = parseRange(ctx, { bytes, tag });
  const { start, end } = range ?? { start: 0, end: bytes - 1 };
  ctx.status = 200;
  ctx.attachment(name);
  // Do not derive the type from the content: a browser must not show an artifact as a page of the gateway.
  ctx.set({
    'Content-Type': 'application/octet-stream',
    ETag: tag,
    'Last-Modified': modified.toUTCString(),
    'Accept-Ranges': 'bytes',
  });
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

/**
 * Returns the requested range; undefined for the whole file, also if the header cannot be parsed. Throws an ApiError
 * for a range outside the file.
 */
function parseRange(ctx: Context, { bytes, tag }: { readonly bytes: number; readonly tag: string }): Range | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(ctx.get('Range').trim()) ?? [];
  const condition = ctx.get('If-Range');
  if (ctx.method !== 'GET' || (from === '' && to === '') || (condition !== '' && condition !== tag)) return undefined;
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? bytes - 1 : Math.min(bytes - 1, Number(to));
  if (from !== '' && to !== '' && Number(to) < start) return undefined;
  if (start > end)
    throw new ApiError('range_not_satisfiable', `the file has ${bytes} bytes; there is no byte ${start}`, {
      'Content-Range': `bytes */${bytes}`,
    });
  return { start, end };
}
