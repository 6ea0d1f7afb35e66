// Starts a program as another user through `setpriv`, because posix_spawn cannot change the user.
//
// If the program does not start, setpriv reports that only by its own exit code. So setpriv is used only for programs
// that the user can certainly execute; child_process starts the others and reports the error of the system.

import { closeSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs';
import * as path from 'node:path';
import { findProgram } from '../check-start.ts';
import type { StartRequest } from './start-request.ts';

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

type Command = Pick<StartRequest, 'file' | 'argv'>;

const executable = 0o1;
const readable = 0o4;
const headBytes = 256;

/** Returns the command that starts the program as its user; undefined if only child_process can do that. */
export function commandForUser({ file, argv, uid, gid, env }: StartRequest): Command | undefined {
  if (uid === undefined && gid === undefined) return { file, argv };
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  if (!maySurelyExecute(file, { uid: uid ?? own.uid, gid: gid ?? own.gid })) return undefined;
  const setpriv = findSetpriv();
  if (setpriv === undefined) return undefined;
  const options = [
    ...(uid === undefined ? [] : [`--reuid=${uid}`]),
    ...(gid === undefined ? [] : [`--regid=${gid}`]),
    '--clear-groups',
  ];
  // Keep a name without a path, because the program sees it as its own name. setpriv finds it in the same PATH.
  const [name, ...args] = argv;
  const program = env['PATH'] === undefined ? file : name;
  return { file: setpriv, argv: ['setpriv', ...options, '--', program, ...args] };
}

/** Returns false if permissions or the interpreter could prevent the start. Ignores access control lists. */
function maySurelyExecute(file: string, user: Identity): boolean {
  try {
    const real = realpathSync(file);
    return mayEnterParents(real, user) && allows(statSync(real), user, executable) && isComplete(real, user);
  } catch {
    return false;
  }
}

function mayEnterParents(file: string, user: Identity): boolean {
  const parent = path.dirname(file);
  return allows(statSync(parent), user, executable) && (parent === '/' || mayEnterParents(parent, user));
}

function allows({ mode, uid, gid }: Stats, user: Identity, wanted: number): boolean {
  if (user.uid === 0) return true;
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}

/** Returns true for an ELF file, and for a script whose interpreter is an ELF file that the user may execute. */
function isComplete(file: string, user: Identity): boolean {
  const head = readHead(file);
  if (head.startsWith('\x7fELF')) return true;
  const interpreter = /^#![ \t]*([^ \t\n]+)/.exec(head)?.[1];
  if (interpreter === undefined || !allows(statSync(file), user, readable)) return false;
  const real = realpathSync(interpreter);
  return (
    mayEnterParents(real, user) && allows(statSync(real), user, executable) && readHead(real).startsWith('\x7fELF')
  );
}

function readHead(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(headBytes);
    return head.toString('latin1', 0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}

function findSetpriv(): string | undefined {
  try {
    return findProgram('setpriv', { pathVariable: process.env['PATH'] });
  } catch {
    return undefined;
  }
}
