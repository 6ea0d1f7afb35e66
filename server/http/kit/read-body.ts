// Reads the body of a request: a text, or a form whose file part goes to a temporary file. Limits sizes and stalls.

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { HttpError } from './http-error.ts';

/** Error for a body that is too large or cannot be read. */
export class BodyError extends HttpError {
  override readonly name = 'BodyError';
  readonly reason: 'too-large' | 'unreadable';

  constructor(reason: BodyError['reason'], message: string) {
    super(reason === 'too-large' ? 413 : 400, message);
    this.reason = reason;
  }
}

export interface BodyLimits {
  readonly textBytesMax: number;
  /** Reading fails after this time without a byte, in milliseconds. */
  readonly stallMs: number;
}

export function isForm({ headers }: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');
}

/**
 * Returns the body. Rejects with a BodyError if the body is too long, is cut off or stalls, and leaves the rest unread.
 */
export async function readText(
  request: IncomingMessage,
  { textBytesMax: bytesMax, stallMs }: BodyLimits,
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge('the body', bytesMax);
  return withStallTimeout(request, stallMs, () => collect(chunks(request), { what: 'the body', bytesMax }));
}

export interface Form {
  /** The text part; empty when it is absent. */
  readonly text: Buffer;
  /** Path of the file with the content of the file part. */
  readonly file?: string;
}

export interface FormLimits extends BodyLimits {
  /** Names of the two parts to read. All others are skipped. */
  readonly textPart: string;
  readonly filePart: string;
  /** Folder for the file. */
  readonly folder: string;
  readonly fileBytesMax: number;
}

/**
 * Reads a form (RFC 7578) with a text and a file. Rejects with a BodyError or a write error, after it has removed the
 * file. After a success, the caller removes the file.
 */
export async function readForm(request: IncomingMessage, limits: FormLimits): Promise<Form> {
  const file = join(limits.folder, randomUUID());
  try {
    return await withStallTimeout(request, limits.stallMs, () => parseForm(request, file, limits));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

/** Reads the two parts, in any order. Each may occur once. */
async function parseForm(request: IncomingMessage, file: string, limits: FormLimits): Promise<Form> {
  const { textPart, filePart } = limits;
  let text: Buffer | undefined;
  const seen = new Set<string>();
  await eachPart(request, async (name, part) => {
    if (name !== textPart && name !== filePart) return void part.resume();
    if (seen.has(name)) throw unreadable(`the part ${name} occurs twice`);
    seen.add(name);
    if (name === filePart) return saveFile(part, file, limits);
    text = await collect(part, { what: `the part ${name}`, bytesMax: limits.textBytesMax });
  });
  return { text: text ?? Buffer.alloc(0), ...(seen.has(filePart) && { file }) };
}

function saveFile(part: Readable, file: string, { filePart, fileBytesMax }: FormLimits): Promise<void> {
  const limit = limitSize({ what: `the part ${filePart}`, bytesMax: fileBytesMax });
  return pipeline(part, limit, createWriteStream(file, { flags: 'wx', mode: 0o640 }));
}

/** Passes each part to `read`, which reads it to its end. Stops and rejects at the first error. */
async function eachPart(
  request: IncomingMessage,
  read: (name: string, part: Readable) => Promise<void>,
): Promise<void> {
  const form = createFormParser(request);
  const parts: Readable[] = [];
  const reading: Promise<void>[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      form.on('file', (name, part) => {
        parts.push(part);
        const done = read(name, part);
        reading.push(done);
        done.catch(reject);
      });
      // Reject the form: the parser would otherwise skip the remaining parts silently, perhaps the pipeline.
      form.on('partsLimit', () => reject(unreadable(`it has more than ${partsMax} parts`)));
      form.on('finish', resolve);
      form.on('error', (error) => reject(unreadable((error as Error).message)));
      request.on('close', () => {
        if (!request.complete) reject(unreadable('it was cut off'));
      });
      request.pipe(form);
    });
    await Promise.all(reading);
  } catch (error) {
    request.unpipe(form);
    for (const part of parts) part.on('error', () => {}).destroy();
    await Promise.allSettled(reading);
    throw error;
  }
}

/** Creates a parser that treats every part as a stream, even a part without a file name. */
function createFormParser({ headers }: IncomingMessage): InstanceType<typeof Busboy> {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, isPartAFile: () => true, limits: { parts: partsMax } });
  } catch (error) {
    throw unreadable((error as Error).message);
  }
}

const partsMax = 20;

interface SizeLimit {
  readonly what: string;
  readonly bytesMax: number;
}

async function collect(source: AsyncIterable<Buffer>, { what, bytesMax }: SizeLimit): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLarge(what, bytesMax);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function limitSize({ what, bytesMax }: SizeLimit): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* pass(source) {
    let bytes = 0;
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > bytesMax) throw tooLarge(what, bytesMax);
      yield piece;
    }
  };
}

/** Keeps the request open if reading stops half-way, because the gateway still has to send the response. */
function chunks(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** Rejects with a BodyError if the request is cut off or stalls. */
async function withStallTimeout<T>(request: IncomingMessage, stallMs: number, read: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let wait = (): void => {};
  const stalled = new Promise<never>((_resolve, reject) => {
    wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => reject(unreadable(`no byte arrived for ${stallMs / 1000} s`)), stallMs).unref();
    };
  });
  // A listener for data makes the request flow; pause it until the reader starts.
  request.on('data', wait).pause();
  wait();
  const work = read();
  try {
    return await Promise.race([work, stalled]);
  } catch (error) {
    work.catch(() => {});
    const isKnown = error instanceof BodyError || (error as NodeJS.ErrnoException).syscall === 'write';
    throw isKnown ? error : unreadable((error as Error).message);
  } finally {
    clearTimeout(timer);
    request.off('data', wait);
  }
}

function tooLarge(what: string, bytesMax: number): BodyError {
  return new BodyError('too-large', `${what} is larger than ${bytesMax} bytes`);
}

function unreadable(why: string): BodyError {
  return new BodyError('unreadable', `the request cannot be read: ${why}`);
}
