// The command `distillery` as people run it: a child process of bin.js, in any folder.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../../server/cli/bin.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** Resolves when stdout or stderr holds a match. Throws when the command ends without one. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** All of stdin; absent: it is left open until the test ends it. */
  readonly input?: string | Uint8Array;
  /** A command that is given the command line as its last arguments and executes it. */
  readonly under?: readonly string[];
}

export function startCli(args: readonly string[], { env = {}, cwd, input, under = [] }: CliOptions = {}): RunningCli {
  const { DISTILLERY_URL: _, ...inherited } = process.env;
  const [command, ...rest] = [...under, process.execPath, bin, ...args];
  const child = spawn(command!, rest, { env: { ...inherited, ...env }, ...(cwd !== undefined && { cwd }) });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => { said[name] += text; });
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...said }) as Ended);
  return { child, ended, says: (pattern) => says(child, said, pattern) };
}

/** The same, waited for. */
export function cli(args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  return startCli(args, { input: '', ...options }).ended;
}

async function says(child: ChildProcess, said: { stdout: string; stderr: string }, pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const match = pattern.exec(said.stdout) ?? pattern.exec(said.stderr);
    if (match) return match;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended without saying ${pattern}: ${JSON.stringify(said)}`);
    await Promise.race([once(child.stdout!, 'data'), once(child.stderr!, 'data'), once(child, 'close')]);
  }
}
