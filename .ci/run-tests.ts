// `npm test` and `npm run test:unit`: runs groups of tests in a few mocha processes at a time, and prints the output of
// the groups in order.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { describeProcess, findHolders } from '../test/helpers/describe-process.ts';
import { endMs } from '../test/helpers/run-end.ts';
import { groupTests, isIntegration } from './test-groups.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url));

/** More groups than run at the same time, so that the last group is short. */
const unitGroupCount = 4;
const integrationGroupCount = 6;

interface Group {
  readonly name: string;
  readonly files: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const help = `usage: node --import tsx .ci/run-tests.ts unit|all [FILE…] [MOCHA OPTION…]

  unit   tests that need no root, no engine, no browser and no network; with files, only those
  all    these and the integration tests

Environment:
  DISTILLERY_TEST_PROCESSES   number of mocha processes at a time; default 2, or 1 on one core
`;

async function main([what, ...args]: readonly string[]): Promise<number> {
  if (what === 'unit') return runUnit(args);
  if (what === 'all') return runGroups([...integrationGroups(), ...unitGroups()], args);
  process.stderr.write(help);
  return 2;
}

function runUnit(args: readonly string[]): Promise<number> | number {
  const files = args.filter((arg) => existsSync(arg));
  const integration = files.filter(isIntegration);
  if (integration.length > 0) {
    process.stderr.write(`not a unit test, run it with npx mocha: ${integration.join(', ')}\n`);
    return 2;
  }
  const options = args.filter((arg) => !files.includes(arg));
  process.env['DISTILLERY_TEST_SEED_STEP'] ??= '16';
  return runGroups(files.length > 0 ? [unitGroup('unit tests', files)] : unitGroups(), options);
}

function unitGroups(): readonly Group[] {
  return divide(groupTests().unit, unitGroupCount).map((files, at) =>
    unitGroup(`unit tests ${at + 1} of ${unitGroupCount}`, files),
  );
}

function unitGroup(name: string, files: readonly string[]): Group {
  return { name, files, env: { DISTILLERY_TEST_UNIT: '1' } };
}

function integrationGroups(): readonly Group[] {
  return divide(groupTests().integration, integrationGroupCount).map((files, at) => ({
    name: `integration tests ${at + 1} of ${integrationGroupCount}`,
    files,
  }));
}

/** Divides files into groups of equal size. Neighbours are often alike, so they go to different groups. */
function divide(files: readonly string[], count: number): readonly (readonly string[])[] {
  return Array.from({ length: count }, (_, group) => files.filter((_file, at) => at % count === group));
}

async function runGroups(
  groups: readonly Group[],
  options: readonly string[],
  processesDefault = Math.min(2, availableParallelism()),
): Promise<number> {
  const processesMax = readProcessesMax(processesDefault);
  if (processesMax === undefined) return 2;
  const output = new OrderedOutput(groups.length);
  const failures: string[] = [];
  const waiting = groups.map((group, at) => ({ group, at }));
  const codes: number[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !isStopping; next = waiting.shift()) {
      const { group, at } = next;
      let written = '';
      const write = (text: string): void => {
        written += text;
        output.write(at, text);
      };
      write(`\n# ${group.name}\n`);
      const code = await runMocha(group, options, write);
      if (code !== 0) failures.push(`\n# failures of the ${group.name}\n${failuresIn(written)}\n`);
      codes.push(code);
      output.end(at);
    }
  };
  await Promise.all(Array.from({ length: processesMax }, work));
  // Print the failures again at the end, because the output of other groups can be thousands of lines long.
  process.stdout.write(failures.join(''));
  return isStopping ? 1 : Math.max(...codes);
}

function readProcessesMax(byDefault: number): number | undefined {
  const value = process.env['DISTILLERY_TEST_PROCESSES'] ?? String(byDefault);
  if (/^[1-9][0-9]?$/.test(value)) return Number(value);
  process.stderr.write(`DISTILLERY_TEST_PROCESSES must be a number from 1 to 99, and is ${JSON.stringify(value)}\n`);
  return undefined;
}

/**
 * Returns what mocha printed below its count of failures, or the last lines if there is no such count. Without lines
 * that count tests, which `.ci/run` adds up.
 */
function failuresIn(output: string): string {
  const lines = stripVTControlCharacters(output).trimEnd().split('\n');
  const at = lines.findIndex((line) => /^ +\d+ failing$/.test(line));
  return lines
    .slice(at === -1 ? -20 : at + 1)
    .filter((line) => !/^ +\d+ (?:passing|failing)\b/.test(line))
    .join('\n');
}

const running = new Set<ChildProcess>();
/** True after a signal: no other group starts. */
let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    isStopping = true;
    // Mocha passes only SIGINT on to its own child process, which then runs the teardown.
    for (const child of running) child.kill('SIGINT');
  });

/**
 * Resolves with the exit code. A group fails if a signal ended it, or if a process that it started keeps its output
 * open.
 */
function runMocha({ files, env }: Group, options: readonly string[], write: (text: string) => void): Promise<number> {
  const child = spawn(process.execPath, [mocha, ...colorOption(), ...options, ...files], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const streams = [child.stdout, child.stderr];
  const links = child.pid === undefined ? [] : [1, 2].map((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`));
  for (const stream of streams) stream.setEncoding('utf8').on('data', write);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    let isCut = false;
    const cut = (): void => {
      isCut = true;
      write(
        `\nmocha has ended, but its output is open in:\n  ${findHolders(links).map(describeProcess).join('\n  ')}\n`,
      );
      for (const stream of streams) stream.destroy();
    };
    child.once('exit', (code) => {
      const timer = setTimeout(cut, endMs);
      child.once('close', () => {
        clearTimeout(timer);
        running.delete(child);
        resolve(isCut ? 1 : (code ?? 1));
      });
    });
  });
}

function colorOption(): readonly string[] {
  return process.stdout.isTTY ? ['--color'] : [];
}

/**
 * Prints the output of the first unfinished group at once, and buffers the output of each later group until its turn.
 */
class OrderedOutput {
  readonly #buffers: string[];
  readonly #ended: boolean[];
  #current = 0;

  constructor(parts: number) {
    this.#buffers = Array.from({ length: parts }, () => '');
    this.#ended = Array.from({ length: parts }, () => false);
  }

  write(part: number, text: string): void {
    if (part === this.#current) process.stdout.write(text);
    else this.#buffers[part] += text;
  }

  end(part: number): void {
    this.#ended[part] = true;
    while (this.#ended[this.#current]) {
      this.#current += 1;
      process.stdout.write(this.#buffers[this.#current] ?? '');
      this.#buffers[this.#current] = '';
    }
  }
}

process.exitCode = await main(process.argv.slice(2));
