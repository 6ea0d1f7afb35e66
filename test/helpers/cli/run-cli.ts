// Runs the command `distillery` as users do: as a child process, in any folder.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { buildOnce } from './build-once.ts';

buildOnce();

export const cliPath = fileURLToPath(new URL('../../../server/bin.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** Resolves when stdout or stderr contains a match. Rejects if the command ends without one. */
  waitForMatch(pattern: RegExp): Promise<RegExpExecArray>;
  readonly result: Promise<CliResult>;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whole stdin of the command. Absent: stdin stays open until the test ends it. */
  readonly input?: string | Uint8Array;
  /** Prefix of the command line: a program and arguments that execute the rest as a command. */
  readonly wrapper?: readonly string[];
}

export function startCli(args: readonly string[], { env = {}, cwd, input, wrapper = [] }: CliOptions = {}): RunningCli {
  const { DISTILLERY_URL: _, ...inherited } = process.env;
  const [command, ...rest] = [...wrapper, process.execPath, cliPath, ...args];
  const child = spawn(command!, rest, { env: { ...inherited, ...env }, ...(cwd !== undefined && { cwd }) });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  const result = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }) as CliResult);
  return { child, result, waitForMatch: (pattern) => waitForOutput(child, output, pattern) };
}

/** Runs the command to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, { input: '', ...options }).result;
}

async function waitForOutput(
  child: ChildProcess,
  output: { stdout: string; stderr: string },
  pattern: RegExp,
): Promise<RegExpExecArray> {
  for (;;) {
    const match = pattern.exec(output.stdout) ?? pattern.exec(output.stderr);
    if (match) return match;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the command ended without printing ${pattern}: ${JSON.stringify(output)}`);
    // The signal removes the listeners of events that did not happen.
    const waiting = new AbortController();
    const { signal } = waiting;
    const events = [once(child.stdout!, 'data', { signal }), once(child.stderr!, 'data', { signal })];
    await Promise.race([...events, once(child, 'close', { signal })]).finally(() => waiting.abort());
  }
}
