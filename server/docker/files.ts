// Files of a container that need not run: put in and taken out as archives, as its own user sees them.

import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, pack, type Header } from 'tar-stream';
import type { Archive } from '../../calls/contract/containers.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, saidBy, statusOf } from './failure.ts';
import { owned } from './owned.ts';
import { ownerOf, root, type Owner } from './owner.ts';
import { sent } from './sent.ts';

export interface Files {
  readonly engine: Connection;
  /** The container. */
  readonly id: string;
  /** Aborted when the container is to end: the engine does not let go of a container while its files are being passed on. */
  readonly signal: AbortSignal;
}

/** Unpacks `archive` under `path`, made with its parents when it is not there; all of it belongs to `owner`. Throws WorkFailed with the engine's reason. */
export async function putFiles(files: Files, path: string, { archive, owner }: { readonly archive: Archive; readonly owner: Owner }): Promise<void> {
  const { body, blame, drop } = sent(owner.uid === 0 && owner.gid === 0 ? archive : owned(archive, owner));
  try {
    await makeFolder(files, path, owner);
    await put(files, path, body);
  } catch (error) {
    blame();
    throw failed(files, `cannot put files to "${path}"`, error);
  } finally {
    drop();
  }
}

/** What is at `path`; undefined when there is nothing. Throws WorkFailed with the engine's reason, also while it is read. */
export async function getFiles(files: Files, path: string): Promise<Archive | undefined> {
  const failedBy = (error: unknown): WorkFailed => failed(files, `cannot get "${path}"`, error);
  let answer: IncomingMessage;
  try {
    answer = await ask(files, 'GET', path);
  } catch (error) {
    if (isNothingThere(error)) return undefined;
    throw failedBy(error);
  }
  // It may be cut off before anybody reads it.
  answer.on('error', () => {});
  return { [Symbol.asyncIterator]: () => reading(answer, failedBy) };
}

function reading(answer: IncomingMessage, failedBy: (error: unknown) => WorkFailed): AsyncIterator<Uint8Array> {
  const chunks = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    next: () => chunks.next().catch((error: unknown) => { throw failedBy(error); }),
    return: async () => {
      answer.destroy();
      return { done: true, value: undefined };
    },
  };
}

/** The user of the container, as numbers; root when it does not know that user, and so cannot be started as it either. */
export async function ownerIn(files: Files, user: string): Promise<Owner> {
  return await ownerOf(user, (path) => textOf(files, path)) ?? root;
}

/**
 * Gives a folder to `owner` that is empty and root's: the engine has made it, for it makes the working folder and the folders of new volumes, but as
 * root whoever is to work in them. What is not so, or not there, is left alone. Throws WorkFailed with the engine's reason.
 */
export async function giveFolder(files: Files, path: string, owner: Owner): Promise<void> {
  const [folder, ...inside] = await entriesOf(files, path, 2);
  const made = folder?.type === 'directory' && folder.uid === 0 && inside.length === 0;
  if (!made || posix.normalize(path) === '/') return;
  const { dir, base } = posix.parse(posix.normalize(path).replace(/\/$/, ''));
  try {
    await put(files, dir, await folders([base], owner, folder.mode));
  } catch (error) {
    throw failed(files, `cannot make "${path}" writable for the user of the container`, error);
  }
}

async function makeFolder(files: Files, path: string, owner: Owner): Promise<void> {
  const missing: string[] = [];
  let there = posix.normalize(path);
  for (; there !== '/' && !(await isThere(files, there)); there = posix.dirname(there)) missing.unshift(posix.basename(there));
  if (missing.length === 0) return;
  await put(files, there, await folders(missing.map((_name, at) => missing.slice(0, at + 1).join('/')), owner));
}

async function isThere(files: Files, path: string): Promise<boolean> {
  try {
    (await ask(files, 'HEAD', path)).resume();
    return true;
  } catch (error) {
    if (isNothingThere(error)) return false;
    throw error;
  }
}

async function folders(names: readonly string[], owner: Owner, mode = 0o755): Promise<Buffer> {
  const tar = pack();
  for (const name of names) tar.entry({ name, type: 'directory', mode, ...owner });
  tar.finalize();
  return buffer(tar as AsyncIterable<Buffer>);
}

async function put(files: Files, path: string, file: NonNullable<Parameters<Connection['dial']>[0]['file']>): Promise<void> {
  (await ask(files, 'PUT', path, file)).resume();
}

async function ask({ engine, id, signal }: Files, method: 'GET' | 'HEAD' | 'PUT', path: string, file?: Parameters<Connection['dial']>[0]['file']): Promise<IncomingMessage> {
  return (await engine.dial({
    path: `/containers/${id}/archive?${new URLSearchParams({ path })}&`, method, isStream: true, abortSignal: signal,
    ...(file !== undefined && { file, headers: { 'Content-Type': 'application/x-tar' } }),
    statusCodes: { 200: true, 400: 'bad parameter', 403: 'read-only', 404: 'not found', 500: 'server error' },
  })) as IncomingMessage;
}

/** The engine answers the same when there is no such container; and to HEAD, nothing at all. */
function isNothingThere(error: unknown): boolean {
  return statusOf(error) === 404 && !/no such container/i.test(saidBy(error));
}

/** The first entries of what is at `path`, none when there is nothing or it cannot be had. */
async function entriesOf(files: Files, path: string, max: number): Promise<Header[]> {
  const found: Header[] = [];
  await walk(files, path, async (header) => found.push(header) < max);
  return found;
}

const textBytesMax = 1 << 20;

/** A file of the container; undefined when there is none, and for one of endless length. */
async function textOf(files: Files, path: string): Promise<string | undefined> {
  let text: string | undefined;
  await walk(files, path, async ({ type, size = 0 }, entry) => {
    if (type === 'file' && size <= textBytesMax) text = (await buffer(entry)).toString();
    return false;
  });
  return text;
}

/** Reads entry by entry, for as long as `take` gives true. */
async function walk(files: Files, path: string, take: (header: Header, entry: AsyncIterable<Buffer>) => Promise<boolean>): Promise<void> {
  const archive = await getFiles(files, path);
  if (archive === undefined) return;
  const { body, drop } = sent(archive);
  const tar = extract();
  tar.on('error', () => {});
  body.on('error', (error) => tar.destroy(error));
  body.pipe(tar);
  try {
    for await (const entry of tar) {
      if (!(await take(entry.header, entry as AsyncIterable<Buffer>))) return;
      entry.resume();
    }
  } finally {
    tar.destroy();
    drop();
  }
}

function failed({ signal }: Files, what: string, error: unknown): WorkFailed {
  if (error instanceof WorkFailed) return error;
  const why = signal.aborted ? 'the container is to end' : isUnreachable(error) ? 'the Docker engine broke off' : saidBy(error);
  return new WorkFailed(`${what}: ${why}`, { cause: error });
}
