// The body of a request: a text up to a bound, or a form whose files go to a file of their own.

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { PinRefusal } from './refusal.ts';

export interface BodyBounds {
  readonly textBytesMax: number;
  /** Without a byte for so long, it does not come any more. */
  readonly stallMs: number;
}

export function isForm({ headers }: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');
}

/** Throws a PinRefusal when it is longer, or does not come to its end; what is left of it is not read then. */
export async function textOf(request: IncomingMessage, { textBytesMax: bytesMax, stallMs }: BodyBounds): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge('the body', bytesMax);
  return patiently(request, stallMs, () => collect(whole(request), { what: 'the body', bytesMax }));
}

export interface Form {
  /** The part `pipeline`; empty when there is none. */
  readonly text: Buffer;
  /** Where the part `files` is; absent when there is none. */
  readonly files?: string;
}

export interface FormBounds extends BodyBounds {
  /** Holds the files. */
  readonly folder: string;
  readonly filesBytesMax: number;
}

/** Throws a PinRefusal as `textOf`, and for what is not a form; the files are removed then. Whoever gets them removes them. Source: RFC 7578. */
export async function formOf(request: IncomingMessage, bounds: FormBounds): Promise<Form> {
  const file = join(bounds.folder, randomUUID());
  try {
    return await patiently(request, bounds.stallMs, () => parse(request, file, bounds));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

/** The parts that are wanted, as they come; each only once. */
async function parse(request: IncomingMessage, file: string, { textBytesMax, filesBytesMax }: FormBounds): Promise<Form> {
  let text: Buffer | undefined;
  const takers: Readonly<Record<string, (part: Readable) => Promise<void>>> = {
    pipeline: async (part) => { text = await collect(part, { what: 'the part pipeline', bytesMax: textBytesMax }); },
    files: (part) => pipeline(part, bounded({ what: 'the part files', bytesMax: filesBytesMax }), createWriteStream(file, { flags: 'wx', mode: 0o640 })),
  };
  const seen = new Set<string>();
  await eachPart(request, (name, part) => {
    const take = Object.hasOwn(takers, name) ? takers[name] : undefined;
    if (take === undefined) return void part.resume();
    if (seen.has(name)) throw unreadable(`the part ${name} is there twice`);
    seen.add(name);
    return take(part);
  });
  return { text: text ?? Buffer.alloc(0), ...(seen.has('files') && { files: file }) };
}

/** `take` reads a part to its end. Rejects with the first of what it, or the form, throws; nothing of the request is read any more then. */
async function eachPart(request: IncomingMessage, take: (name: string, part: Readable) => Promise<void> | void): Promise<void> {
  const form = boyFor(request);
  const parts: Readable[] = [];
  const taking: Promise<void>[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      form.on('file', (name, part) => {
        parts.push(part);
        const taken = (async () => take(name, part))();
        taking.push(taken);
        taken.catch(reject);
      });
      // Silently passed over, what comes behind would be missing: the files, or the pipeline itself.
      form.on('partsLimit', () => reject(unreadable(`it has more than ${partsMax} parts`)));
      form.on('finish', resolve);
      form.on('error', (error) => reject(unreadable((error as Error).message)));
      request.on('close', () => { if (!request.complete) reject(unreadable('it was cut off')); });
      request.pipe(form);
    });
    await Promise.all(taking);
  } catch (error) {
    request.unpipe(form);
    for (const part of parts) part.on('error', () => {}).destroy();
    await Promise.allSettled(taking);
    throw error;
  }
}

/** Every part is one that is read as it comes, whatever it says of itself. */
function boyFor({ headers }: IncomingMessage): InstanceType<typeof Busboy> {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, isPartAFile: () => true, limits: { parts: partsMax } });
  } catch (error) {
    throw unreadable((error as Error).message);
  }
}

const partsMax = 20;

interface Bound {
  readonly what: string;
  readonly bytesMax: number;
}

async function collect(source: AsyncIterable<Buffer>, { what, bytesMax }: Bound): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLarge(what, bytesMax);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function bounded({ what, bytesMax }: Bound): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* pass(source) {
    let bytes = 0;
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > bytesMax) throw tooLarge(what, bytesMax);
      yield piece;
    }
  };
}

/** Whoever stops reading half-way has to answer still: the request stays open. */
function whole(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** A request that is cut off, or stands still, is an unreadable one. */
async function patiently<T>(request: IncomingMessage, stallMs: number, read: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let wait = (): void => {};
  const stalled = new Promise<never>((_resolve, reject) => {
    wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => reject(unreadable(`nothing of it came for ${stallMs / 1000} s`)), stallMs).unref();
    };
  });
  // Listening for data must not make it flow before it is read.
  request.on('data', wait).pause();
  wait();
  const work = read();
  try {
    return await Promise.race([work, stalled]);
  } catch (error) {
    work.catch(() => {});
    const isTold = error instanceof PinRefusal || (error as NodeJS.ErrnoException).syscall === 'write';
    throw isTold ? error : unreadable((error as Error).message);
  } finally {
    clearTimeout(timer);
    request.off('data', wait);
  }
}

function tooLarge(what: string, bytesMax: number): PinRefusal {
  return new PinRefusal('body_too_large', `${what} is larger than ${bytesMax} bytes`);
}

function unreadable(why: string): PinRefusal {
  return new PinRefusal('invalid_request', `the request cannot be read: ${why}`);
}
