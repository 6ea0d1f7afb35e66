// Checks before a spawn whether the program can start, and explains to the caller why not.

import { accessSync, constants, type Stats, statSync } from 'node:fs';
import * as path from 'node:path';
import type { ProgramSpec } from '../../calls/contract/engines.ts';
import { WorkFailed } from '../../calls/contract/engines.ts';

const defaultPath = '/usr/local/bin:/usr/bin:/bin';

/** Returns the error for a program that cannot be started, e.g. `cannot start "fooo": no such program in PATH`. */
export function cannotStart(program: string, reason: string): WorkFailed {
  return new WorkFailed(`cannot start "${program}": ${reason}`);
}

/**
 * Checks the strings, user, folder and program of `spec`, and returns the absolute path of the program. Throws
 * WorkFailed for the first error. `pathVariable` is the PATH of the new process.
 *
 * Synchronous, like the spawn that follows. Node has only a few threads for file access, so asynchronous checks would
 * take seconds when many processes start at once.
 */
export function checkStart(spec: ProgramSpec, pathVariable?: string): string {
  const [program] = spec.argv;
  checkText(spec);
  checkUser(spec);
  if (spec.cwd !== undefined) checkFolder(program, spec.cwd);
  return findProgram(program, { pathVariable, cwd: spec.cwd });
}

function checkText({ argv, env, cwd }: ProgramSpec): void {
  const [program] = argv;
  if (program === '') throw cannotStart(program, 'the program name is empty');
  const texts = [...argv, ...Object.entries(env ?? {}).flat(), cwd ?? ''];
  if (texts.some((text) => text.includes('\0'))) {
    throw cannotStart(
      program.replaceAll('\0', '\\0'),
      'an argument, variable or folder contains a NUL byte; remove it',
    );
  }
}

function checkUser({ argv: [program], uid, gid }: ProgramSpec): void {
  const [ownUser, ownGroup] = [process.geteuid?.(), process.getegid?.()];
  const isOwnIdentity = (uid ?? ownUser) === ownUser && (gid ?? ownGroup) === ownGroup;
  if (isOwnIdentity || ownUser === 0) return;
  throw cannotStart(
    program,
    `only a gateway that runs as root can start it as ${describeUser(uid, gid)}; ` +
      'run the gateway as root or leave out the user',
  );
}

function describeUser(uid: number | undefined, gid: number | undefined): string {
  return [uid === undefined ? [] : [`user ${uid}`], gid === undefined ? [] : [`group ${gid}`]].flat().join(', ');
}

function checkFolder(program: string, folder: string): void {
  const stats = tryStat(folder);
  if (stats === undefined) throw cannotStart(program, `folder "${folder}" does not exist`);
  if (!stats.isDirectory()) throw cannotStart(program, `"${folder}" is not a folder`);
}

/**
 * Returns the path at which the system will find `program`. Throws WorkFailed when the program is missing or not
 * executable.
 */
export function findProgram(
  program: string,
  { pathVariable, cwd }: { readonly pathVariable?: string | undefined; readonly cwd?: string | undefined } = {},
): string {
  const hasSlash = program.includes('/');
  const folders = hasSlash ? [''] : (pathVariable ?? defaultPath).split(':');
  let reason = hasSlash ? 'no such file' : 'no such program in PATH';
  for (const folder of folders) {
    const candidate = path.resolve(cwd ?? '', folder, program);
    const fault = reasonNotExecutable(candidate);
    if (fault === undefined) return candidate;
    if (fault !== 'missing') reason = hasSlash ? `it is ${fault}` : `"${candidate}" is ${fault}`;
  }
  throw cannotStart(program, reason);
}

function reasonNotExecutable(file: string): string | undefined {
  const stats = tryStat(file);
  if (stats === undefined) return 'missing';
  if (stats.isDirectory()) return 'a folder';
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    return 'not executable';
  }
}

function tryStat(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
