// Says before anything is started whether it can be, in words for the one who asked.

import { accessSync, constants, statSync, type Stats } from 'node:fs';
import * as path from 'node:path';
import { WorkFailed } from '../../calls/contract/engines.ts';
import type { ProcessSpec } from '../../calls/contract/engines.ts';

const defaultPath = '/usr/local/bin:/usr/bin:/bin';

/** The failure every start that cannot be ends in: `cannot start "fooo": no such program in PATH`. */
export function cannotStart(program: string, why: string): WorkFailed {
  return new WorkFailed(`cannot start "${program}": ${why}`);
}

/**
 * Checks text, user, folder and program. Throws WorkFailed with the first thing that is wrong.
 * `searched` is the PATH of the process to be. Synchronous, as spawn is, which looks at the same places: Node has only a few threads
 * for files, and a start that needs a dozen answers from them, one after the other, takes seconds when many processes are looked for.
 */
export function checkStart(spec: ProcessSpec, searched?: string): void {
  const [program] = spec.argv;
  checkText(spec);
  checkUser(spec);
  if (spec.cwd !== undefined) checkFolder(program, spec.cwd);
  findProgram(program, { searched, cwd: spec.cwd });
}

function checkText({ argv, env, cwd }: ProcessSpec): void {
  const [program] = argv;
  if (program === '') throw cannotStart(program, 'the name of the program is empty');
  const texts = [...argv, ...Object.entries(env ?? {}).flat(), cwd ?? ''];
  if (texts.some((text) => text.includes('\0'))) {
    throw cannotStart(program.replaceAll('\0', '\\0'), 'an argument, variable or folder contains a NUL byte, which no program can be given');
  }
}

function checkUser({ argv: [program], uid, gid }: ProcessSpec): void {
  const [ourUser, ourGroup] = [process.geteuid?.(), process.getegid?.()];
  const same = (uid ?? ourUser) === ourUser && (gid ?? ourGroup) === ourGroup;
  if (same || ourUser === 0) return;
  throw cannotStart(program, `only a gateway that runs as root can start it as ${userName(uid, gid)}; run the gateway as root or leave the user out`);
}

function userName(uid: number | undefined, gid: number | undefined): string {
  return [uid === undefined ? [] : [`user ${uid}`], gid === undefined ? [] : [`group ${gid}`]].flat().join(', ');
}

function checkFolder(program: string, folder: string): void {
  const found = look(folder);
  if (found === undefined) throw cannotStart(program, `folder "${folder}" does not exist`);
  if (!found.isDirectory()) throw cannotStart(program, `"${folder}" is not a folder`);
}

/** Where `program` is, as the system will find it. Throws WorkFailed when it is nowhere or cannot be executed. */
export function findProgram(
  program: string, { searched, cwd }: { readonly searched?: string | undefined; readonly cwd?: string | undefined } = {},
): string {
  const named = program.includes('/');
  const folders = named ? [''] : (searched ?? defaultPath).split(':');
  let why = named ? 'no such file' : 'no such program in PATH';
  for (const folder of folders) {
    const place = path.resolve(cwd ?? '', folder, program);
    const problem = problemWith(place);
    if (problem === undefined) return place;
    if (problem !== 'missing') why = named ? `it is ${problem}` : `"${place}" is ${problem}`;
  }
  throw cannotStart(program, why);
}

function problemWith(file: string): string | undefined {
  const found = look(file);
  if (found === undefined) return 'missing';
  if (found.isDirectory()) return 'a folder';
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    return 'not executable';
  }
}

function look(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}
