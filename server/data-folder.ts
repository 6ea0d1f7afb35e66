// Opens the data folder of a gateway, or names the path that cannot be used and the reason.

import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { quote } from '../calls/text/quote.ts';
import { openStore, type RunStore } from './runs/store/store.ts';
import { makeFolder } from './support/make-folder.ts';
import { systemCode, systemErrorText } from './support/system-error.ts';

/** Error codes of a full disk. A gateway starts even if the disk is full, because it can still remove old runs. */
const fullDisk = ['ENOSPC', 'EDQUOT'];

/**
 * Creates the folder if needed and opens its store. Throws an Error for the operator if the folder cannot be created,
 * is not writable, or is in use.
 */
export function openDataFolder(folder: string): RunStore {
  const file = join(folder, 'runs.db');
  for (const path of [folder, join(folder, 'runs')]) requireWritable(path);
  for (const path of [file, `${file}-wal`, `${file}-shm`, join(folder, 'id')]) requireReadable(path);
  try {
    return openStore(folder);
  } catch (error) {
    if (!isDatabaseError(error as Error)) throw error;
    throw new Error(`cannot open ${quote(file)}: ${(error as Error).message}`, { cause: error });
  }
}

function isDatabaseError({ name, message }: Error): boolean {
  return name === 'SqliteError' || message.startsWith('ConnectionFailed');
}

/**
 * Throws an Error for the operator if the file cannot be read and written. Accepts a missing file, which the gateway
 * creates.
 */
function requireReadable(file: string): void {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      throw new Error(`cannot open the file ${quote(file)}${userText()}: ${systemErrorText(error)}`, { cause: error });
  }
}

function requireWritable(folder: string): void {
  try {
    makeFolder(folder, 0o750);
  } catch (error) {
    throw folderError('create', folder, error);
  }
  try {
    const probe = join(folder, `.probe-${process.pid}`);
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    if (!fullDisk.includes(systemCode(error) ?? '')) throw folderError('write to', folder, error);
  }
}

function folderError(action: string, folder: string, error: unknown): Error {
  const { path = folder } = error as NodeJS.ErrnoException;
  const at = action === 'create' ? path : folder;
  const reason =
    systemCode(error) === 'ENOENT'
      ? `${quote(dirname(path))} was deleted, or its file system accepts no files`
      : systemErrorText(error);
  const hint = 'make it writable, or set "data:" to another folder';
  return new Error(`cannot ${action} the folder ${quote(at)}${userText()}: ${reason}; ${hint}`, { cause: error });
}

/** Returns the part of a message that names the user whose permissions apply; empty for root. */
function userText(): string {
  const uid = process.geteuid?.();
  return uid === undefined || uid === 0 ? '' : ` as user ${uid}`;
}
