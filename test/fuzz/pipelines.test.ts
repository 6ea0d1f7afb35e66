// Tests randomly damaged pipelines: each is checked within a second, and every diagnostic has a position in the text.
// FUZZ_TEXTS sets their number, and FUZZ_SEED the first seed. `npm run fuzz:pipelines` runs a hundred thousand.

import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { inFile } from '../../calls/text/diagnostic.ts';
import { formatDiagnostics } from '../../calls/text/format-diagnostics.ts';
import { parsePipeline } from '../../server/pipeline/language/check.ts';
import type { PipelineDiagnostic } from '../../server/pipeline/language/diagnostic.ts';
import { jobKeys } from '../../server/pipeline/language/keys/job-keys.ts';
import { topKeys } from '../../server/pipeline/language/keys/top-keys.ts';
import { planPipeline } from '../../server/pipeline/plan/planner.ts';
import { createRandomInteger } from '../helpers/seeded-random.ts';

type Random = (below: number) => number;

const texts = Number(process.env['FUZZ_TEXTS'] ?? 3_000);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1);
/** Limit for one text, in CPU time of this process, so that other load on the machine does not count. */
const cpuMsMax = 1_000;
/** One of this many texts has a random size up to slightly above the limit of 1 MiB. */
const largeEvery = 1_000;

const folder = new URL('../vectors/pipelines/', import.meta.url);
const whole = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'));
const keys = [...Object.keys(jobKeys), ...Object.keys(topKeys)];
const pieces = [
  '{',
  '}',
  '[',
  ']',
  '[]',
  '{}',
  ':',
  ': ',
  '- ',
  '- - ',
  '&a ',
  '*a',
  '<<: ',
  '? ',
  '!!str ',
  '!x ',
  '"',
  "'",
  '\\',
  '\n',
  '\r\n',
  '\r',
  '\t',
  '  ',
  '    ',
  '#',
  '|\n',
  '>-\n',
  '---\n',
  '...\n',
  '%YAML 1.1\n---\n',
  '\0',
  '\uFEFF',
  'é',
  '😀',
  '\uD800',
  'null',
  '~',
  'true',
  'yes',
  '0',
  '-1',
  '1e999',
  '.nan',
  '.inf',
  '0x1f',
  '5m',
  '64m',
  '99999999999999999999',
  '${x}',
  '$A',
  '$',
  '&&',
  '||',
  '==',
  '(',
  ')',
  '!',
  '<',
  '../',
  '8080:80',
  'a:/b:ro',
  '^(a+)+$',
  'a{1000}',
  '[',
  '__proto__',
  'constructor',
  'DISTILLERY_X',
  ' '.repeat(300),
  'x'.repeat(300),
  '('.repeat(300),
  '['.repeat(60),
];

/** Ways to damage a text. */
const damages: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => removeRange(text, random(text.length + 1), random(12)),
  (text, random) => insert(text, random(text.length + 1), pick(pieces, random)),
  (text, random) => insert(text, random(text.length + 1), pick(pieces, random).repeat(1 + random(20))),
  (text, random) => mapLines(text, (lines) => lines.toSpliced(random(lines.length), 1)),
  (text, random) => mapLines(text, (lines) => lines.toSpliced(random(lines.length), 0, pick(lines, random))),
  (text, random) =>
    mapLines(text, (lines) =>
      lines.toSpliced(random(lines.length), 1, `${' '.repeat(random(9))}${pick(lines, random).trim()}`),
    ),
  (text, random) =>
    mapLines(text, (lines) =>
      lines.toSpliced(
        random(lines.length),
        0,
        `${' '.repeat(random(5))}${pick(keys, random)}: ${pick(pieces, random)}`,
      ),
    ),
  (text, random) =>
    mapLines(text, (lines) =>
      lines.with(random(lines.length), pick(lines, random).replace(/: .*$/, `: ${pick(pieces, random)}`)),
    ),
  (text, random) =>
    mapLines(text, (lines) =>
      lines.map((line) =>
        line.replace(/^( *)[A-Za-z]+:/, (found: string, space: string) =>
          random(8) === 0 ? `${space}${pick(keys, random)}:` : found,
        ),
      ),
    ),
  (text, random) => text.slice(0, random(text.length + 1)) + pick(whole, random).slice(random(200)),
  (text, random) => text.slice(0, random(text.length + 1)),
];

function pick<T>(of: readonly T[], random: Random): T {
  return of[random(of.length)]!;
}

function removeRange(text: string, at: number, length: number): string {
  return text.slice(0, at) + text.slice(at + length);
}

function insert(text: string, at: number, piece: string): string {
  return text.slice(0, at) + piece + text.slice(at);
}

function mapLines(text: string, change: (lines: readonly string[]) => readonly string[]): string {
  return change(text.split('\n')).join('\n');
}

function generateText(seed: number): string {
  const random = createRandomInteger(seed);
  const damaged = Array.from({ length: 1 + random(4) }).reduce<string>(
    (text) => pick(damages, random)(text, random),
    pick(whole, random),
  );
  if (seed % largeEvery !== 0) return damaged;
  const piece = `${pick(pieces, random)}${pick(['', '\n', ' ', ','], random)}`;
  return insert(damaged, random(damaged.length + 1), piece.repeat(Math.ceil(random((1 << 20) + 2_000) / piece.length)));
}

function measureCpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Checks and plans the text, and returns how far that succeeded. Throws if the result or a diagnostic is wrong. */
function classify(text: string): 'planned' | 'rejected' | 'not planned' {
  const { pipeline, diagnostics } = parsePipeline(text, { hostJobs: true });
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  const misplaced = (candidates: readonly PipelineDiagnostic[]): readonly PipelineDiagnostic[] =>
    candidates.filter(
      ({ line, column, length }) =>
        !Number.isInteger(line) ||
        line < 1 ||
        line > lines.length ||
        !Number.isInteger(column) ||
        column < 1 ||
        column > lines[line - 1]!.length + 1 ||
        length < 1,
    );
  expect(misplaced(diagnostics)).to.deep.equal([]);
  expect(diagnostics.every(({ message }) => message !== '')).to.equal(true);
  expect(pipeline === undefined).to.equal(diagnostics.some(({ severity }) => severity === 'error'));
  expect(formatDiagnostics(inFile(diagnostics, 'fuzz.yaml', text))).to.be.a('string');
  if (pipeline === undefined) return 'rejected';
  const planned = planPipeline(pipeline);
  if ('plan' in planned) return 'planned';
  expect(planned.diagnostics).not.to.have.length(0);
  expect(misplaced(planned.diagnostics)).to.deep.equal([]);
  return 'not planned';
}

describe(`damaged pipelines (${texts} from seed ${firstSeed})`, function () {
  this.timeout(60_000 + texts * 20);

  it('damaged pipelines are checked and planned, or rejected with positions, in bounded time', () => {
    const ends = { planned: 0, rejected: 0, 'not planned': 0 };
    let slowest = 0;
    for (let seed = firstSeed; seed < firstSeed + texts; seed += 1) {
      const text = generateText(seed);
      let ms = 0;
      try {
        ms = measureCpuMs(() => {
          ends[classify(text)] += 1;
        });
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}\n${text.slice(0, 4_000)}`, { cause: error });
      }
      if (ms > cpuMsMax) throw new Error(`seed ${seed} took ${ms} ms of the processor:\n${text.slice(0, 2_000)}`);
      slowest = Math.max(slowest, ms);
    }
    if (process.env['FUZZ_TEXTS'] !== undefined)
      process.stdout.write(
        `      ${texts} texts from seed ${firstSeed}: ${JSON.stringify(ends)}, ` +
          `at most ${slowest.toFixed(0)} ms of CPU time\n`,
      );
    expect(ends.planned).to.be.greaterThan(0);
    expect(ends.rejected).to.be.greaterThan(0);
  });
});
