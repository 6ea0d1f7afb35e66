// Runs every call of the example configuration, and a pipeline file, with one version of Node.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cliPath } from '../helpers/cli/run-cli.ts';
import type { NodeVersion } from './install-nodes.ts';

export interface ExampleResult {
  readonly name: string;
  readonly ms: number;
  /** Exit code and output, if they differ from the expected ones or the output contains a warning. */
  readonly problem?: string;
}

interface Environment {
  /** The folder that contains distillery.yaml. */
  readonly folder: string;
  /** Address of a Docker engine. */
  readonly engine: string;
}

const inputs: Readonly<Record<string, string>> = {
  echo: 'hello\n',
  census: 'one two three\n',
  shell: 'exit\n',
};

const commandMs = 120_000;
/** Warnings of Node, and of the gateway's log (level 40 and above). */
const warning = /^\(node:\d+\)|\bwarning\b|"level":[4-6]0\b/im;

/**
 * Returns one result per command, then that of the gateway, which has to stop with exit code 0 and without warnings.
 */
export async function runExamples({ path }: NodeVersion, { folder, engine }: Environment): Promise<ExampleResult[]> {
  const started = performance.now();
  const env = { ...process.env, DOCKER_HOST: engine };
  const gateway = spawn(path, [cliPath, 'serve', '--listen', '127.0.0.1:0'], { cwd: folder, env });
  const output = collectOutput(gateway);
  try {
    const url = await listening(gateway, output);
    const commands = [...(await callNames(url)).map((name) => ['call', name]), ['run', 'docs/examples/words.yaml']];
    const results: ExampleResult[] = [];
    for (const args of commands) results.push(await runCommand(args, { path, folder, url }));
    gateway.kill('SIGTERM');
    await once(gateway, 'close');
    return [...results, result('serve', { code: gateway.exitCode, output: output(), started })];
  } finally {
    gateway.kill('SIGKILL');
  }
}

async function callNames(url: string): Promise<readonly string[]> {
  const response = await fetch(`${url}/api/v1/http/calls`);
  const calls = (await response.json()) as readonly { readonly name: string }[];
  // Omit this call, because `distillery run` makes it below.
  return calls.map(({ name }) => name).filter((name) => name !== 'pipeline.run');
}

interface Command {
  /** The executable of Node. */
  readonly path: string;
  readonly folder: string;
  readonly url: string;
  /** Default: exit code 0, with any output. */
  readonly expected?: Expected;
}

interface Expected {
  readonly code: number;
  readonly output: RegExp;
}

const success: Expected = { code: 0, output: /^/ };

export async function runCommand(
  args: readonly string[],
  { path, folder, url, expected = success }: Command,
): Promise<ExampleResult> {
  const started = performance.now();
  const child = spawn(path, [cliPath, ...args], { cwd: folder, env: { ...process.env, DISTILLERY_URL: url } });
  const output = collectOutput(child);
  child.stdin.end(inputs[args[1]!] ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), commandMs);
  await once(child, 'close');
  clearTimeout(timer);
  return result(args.join(' '), { code: child.exitCode, output: output(), started }, expected);
}

function result(
  name: string,
  { code, output, started }: { readonly code: number | null; readonly output: string; readonly started: number },
  expected = success,
): ExampleResult {
  const ms = Math.round(performance.now() - started);
  const isExpected = code === expected.code && expected.output.test(output) && !warning.test(output);
  return isExpected ? { name, ms } : { name, ms, problem: `exit code ${code}\n${output}` };
}

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream!.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  return () => text;
}

async function listening(gateway: ChildProcess, output: () => string): Promise<string> {
  for (;;) {
    const url = /^listening on (http:\S+)$/m.exec(output())?.[1];
    if (url !== undefined) return url;
    if (gateway.exitCode !== null) throw new Error(`the gateway ended with ${gateway.exitCode}:\n${output()}`);
    await Promise.race([once(gateway.stdout!, 'data'), once(gateway, 'close')]);
  }
}
