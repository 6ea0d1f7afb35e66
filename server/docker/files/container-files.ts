// Copies files into and out of a container as archives. Copied files belong to the container's user. The container need
// not run.

import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import type { Archive } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Connection } from '../connect.ts';
import { engineMessage, httpStatus, isUnreachable } from '../engine-error.ts';
import { archiveBody } from './archive-body.ts';
import { chownArchive } from './chown-archive.ts';
import { lookUpUser, rootUser, type UserIds } from './container-user.ts';

export interface ContainerFiles {
  readonly engine: Connection;
  /** Id of the container. */
  readonly id: string;
  /**
   * Aborted when the container has to stop. File transfers must end then, because the engine does not release a
   * container during a transfer.
   */
  readonly signal: AbortSignal;
}

/**
 * Extracts `archive` at `path`, owned by `owner`. Creates `path` and its parents if missing. Rejects with the error of
 * the archive if that cannot be read, and otherwise with WorkFailed.
 */
export async function putFiles(
  files: ContainerFiles,
  path: string,
  { archive, owner }: { readonly archive: Archive; readonly owner: UserIds },
): Promise<void> {
  const { body, rethrowArchiveError, cancel } = archiveBody(
    owner.uid === 0 && owner.gid === 0 ? archive : chownArchive(archive, owner),
  );
  try {
    await makeFolder(files, path, owner);
    await putArchive(files, path, body);
  } catch (error) {
    rethrowArchiveError();
    throw toFileError(files, `cannot write files to "${path}"`, error);
  } finally {
    cancel();
  }
}

/**
 * Returns the files at `path` as an archive, or undefined if there are none. Rejects with WorkFailed if the files
 * cannot be read. Reading the archive can reject with WorkFailed, too.
 */
export async function getFiles(files: ContainerFiles, path: string): Promise<Archive | undefined> {
  const toError = (error: unknown): WorkFailed => toFileError(files, `cannot read "${path}"`, error);
  let response: IncomingMessage;
  try {
    response = await request(files, 'GET', path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw toError(error);
  }
  // The response may fail before the caller reads it; without a listener that would be an uncaught exception.
  response.on('error', () => {});
  return { [Symbol.asyncIterator]: () => readChunks(response, toError) };
}

function readChunks(response: IncomingMessage, toError: (error: unknown) => WorkFailed): AsyncIterator<Uint8Array> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    next: () =>
      chunks.next().catch((error: unknown) => {
        throw toError(error);
      }),
    return: async () => {
      response.destroy();
      return { done: true, value: undefined };
    },
  };
}

/**
 * Resolves the user of the container to numbers. Returns root for an unknown user; the engine does not start a
 * container with an unknown user.
 */
export async function resolveUser(files: ContainerFiles, user: string): Promise<UserIds> {
  return (await lookUpUser(user, (path) => readText(files, path))) ?? rootUser;
}

/**
 * Changes the owner of a folder if root owns it and it is empty; otherwise leaves it unchanged. The engine creates the
 * working folder and new volumes as root, even if the container runs as another user. Rejects if it cannot read or
 * change the folder.
 */
export async function chownFolder(files: ContainerFiles, path: string, owner: UserIds): Promise<void> {
  const [folder, ...inside] = await readEntries(files, path, 2);
  const isUntouched = folder?.type === 'directory' && folder.uid === 0 && inside.length === 0;
  if (!isUntouched || posix.normalize(path) === '/') return;
  const { dir, base } = posix.parse(posix.normalize(path).replace(/\/$/, ''));
  try {
    await putArchive(files, dir, await folderArchive([base], owner, folder.mode));
  } catch (error) {
    throw toFileError(files, `cannot make "${path}" writable for the container's user`, error);
  }
}

async function makeFolder(files: ContainerFiles, path: string, owner: UserIds): Promise<void> {
  const missing: string[] = [];
  let existing = posix.normalize(path);
  for (; existing !== '/' && !(await pathExists(files, existing)); existing = posix.dirname(existing))
    missing.unshift(posix.basename(existing));
  if (missing.length === 0) return;
  await putArchive(
    files,
    existing,
    await folderArchive(
      missing.map((_name, at) => missing.slice(0, at + 1).join('/')),
      owner,
    ),
  );
}

async function pathExists(files: ContainerFiles, path: string): Promise<boolean> {
  try {
    (await request(files, 'HEAD', path)).resume();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function folderArchive(names: readonly string[], owner: UserIds, mode = 0o755): Promise<Buffer> {
  const tar = pack();
  for (const name of names) tar.entry({ name, type: 'directory', mode, ...owner });
  tar.finalize();
  return buffer(tar as AsyncIterable<Buffer>);
}

async function putArchive(
  files: ContainerFiles,
  path: string,
  file: NonNullable<Parameters<Connection['dial']>[0]['file']>,
): Promise<void> {
  (await request(files, 'PUT', path, file)).resume();
}

async function request(
  { engine, id, signal }: ContainerFiles,
  method: 'GET' | 'HEAD' | 'PUT',
  path: string,
  file?: Parameters<Connection['dial']>[0]['file'],
): Promise<IncomingMessage> {
  return (await engine.dial({
    path: `/containers/${id}/archive?${new URLSearchParams({ path })}&`,
    method,
    isStream: true,
    abortSignal: signal,
    ...(file !== undefined && { file, headers: { 'Content-Type': 'application/x-tar' } }),
    statusCodes: { 200: true, 400: 'bad parameter', 403: 'read-only', 404: 'not found', 500: 'server error' },
  })) as IncomingMessage;
}

/**
 * Returns true if the path is missing. The engine also answers 404 if the container itself is missing, with another
 * message. Its answer to HEAD has no message, so a missing container then also counts as a missing path.
 */
function isNotFound(error: unknown): boolean {
  return httpStatus(error) === 404 && !/no such container/i.test(engineMessage(error));
}

/** Returns at most `max` entries at `path`; none if the path is missing. Rejects if the entries cannot be read. */
async function readEntries(files: ContainerFiles, path: string, max: number): Promise<Header[]> {
  const entries: Header[] = [];
  await forEachEntry(files, path, async (header) => entries.push(header) < max);
  return entries;
}

const textBytesMax = 1 << 20;

/** Reads a text file of the container. Undefined if it is missing or larger than the limit. */
async function readText(files: ContainerFiles, path: string): Promise<string | undefined> {
  let text: string | undefined;
  await forEachEntry(files, path, async ({ type, size = 0 }, entry) => {
    if (type === 'file' && size <= textBytesMax) text = (await buffer(entry)).toString();
    return false;
  });
  return text;
}

/** Calls `take` with each entry at `path` until `take` returns false. */
async function forEachEntry(
  files: ContainerFiles,
  path: string,
  take: (header: Header, entry: AsyncIterable<Buffer>) => Promise<boolean>,
): Promise<void> {
  const archive = await getFiles(files, path);
  if (archive === undefined) return;
  const { body, cancel } = archiveBody(archive);
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
    cancel();
  }
}

function toFileError({ signal }: ContainerFiles, what: string, error: unknown): WorkFailed {
  if (error instanceof WorkFailed) return error;
  const reason = signal.aborted
    ? 'the container is being stopped'
    : isUnreachable(error)
      ? 'lost the connection to the Docker engine'
      : engineMessage(error);
  return new WorkFailed(`${what}: ${reason}`, { cause: error });
}
