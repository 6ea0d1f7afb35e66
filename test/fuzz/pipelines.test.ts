// Pipelines with random damage, the same ones for the same seed: each is checked within a second, and every complaint has a place in the text.
// FUZZ_TEXTS says how many, FUZZ_SEED where they begin; `npm run fuzz:pipelines` makes a hundred thousand.

import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { checkPipeline } from '../../server/pipeline/language/check.ts';
import type { Complaint } from '../../server/pipeline/language/complaint.ts';
import { formatComplaints } from '../../server/pipeline/language/format.ts';
import { jobKeys } from '../../server/pipeline/language/keys/job-keys.ts';
import { topKeys } from '../../server/pipeline/language/keys/top-keys.ts';
import { planPipeline } from '../../server/pipeline/plan/build.ts';
import { wholeFrom } from '../helpers/random.ts';

type Random = (below: number) => number;

const texts = Number(process.env['FUZZ_TEXTS'] ?? 3_000);
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1);
/** Of this process, so that what others do on the machine does not count. */
const cpuMsMax = 1_000;
/** One in so many texts is made as large as it may be. */
const largeEvery = 1_000;

const folder = new URL('../vectors/pipelines/', import.meta.url);
const whole = readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name) => readFileSync(new URL(name, folder), 'utf8'));
const keys = [...Object.keys(jobKeys), ...Object.keys(topKeys)];
const pieces = [
  '{', '}', '[', ']', '[]', '{}', ':', ': ', '- ', '- - ', '&a ', '*a', '<<: ', '? ', '!!str ', '!x ', '"', "'", '\\', '\n', '\r\n', '\r', '\t', '  ', '    ', '#', '|\n', '>-\n', '---\n', '...\n', '%YAML 1.1\n---\n', '\0', '\uFEFF', 'é', '😀', '\uD800',
  'null', '~', 'true', 'yes', '0', '-1', '1e999', '.nan', '.inf', '0x1f', '5m', '64m', '99999999999999999999', '${x}', '$A', '$', '&&', '||', '==', '(', ')', '!', '<', '../', '8080:80', 'a:/b:ro', '^(a+)+$', 'a{1000}', '[', '__proto__', 'constructor', 'DISTILLERY_X',
  ' '.repeat(300), 'x'.repeat(300), '('.repeat(300), '['.repeat(60),
];

/** What may become of a text. */
const damages: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => cutOut(text, random(text.length + 1), random(12)),
  (text, random) => insert(text, random(text.length + 1), pick(pieces, random)),
  (text, random) => insert(text, random(text.length + 1), pick(pieces, random).repeat(1 + random(20))),
  (text, random) => byLines(text, (lines) => lines.toSpliced(random(lines.length), 1)),
  (text, random) => byLines(text, (lines) => lines.toSpliced(random(lines.length), 0, pick(lines, random))),
  (text, random) => byLines(text, (lines) => lines.toSpliced(random(lines.length), 1, `${' '.repeat(random(9))}${pick(lines, random).trim()}`)),
  (text, random) => byLines(text, (lines) => lines.toSpliced(random(lines.length), 0, `${' '.repeat(random(5))}${pick(keys, random)}: ${pick(pieces, random)}`)),
  (text, random) => byLines(text, (lines) => lines.with(random(lines.length), pick(lines, random).replace(/: .*$/, `: ${pick(pieces, random)}`))),
  (text, random) => byLines(text, (lines) => lines.map((line) => line.replace(/^( *)[A-Za-z]+:/, (found: string, space: string) => (random(8) === 0 ? `${space}${pick(keys, random)}:` : found)))),
  (text, random) => text.slice(0, random(text.length + 1)) + pick(whole, random).slice(random(200)),
  (text, random) => text.slice(0, random(text.length + 1)),
];

function pick<T>(of: readonly T[], random: Random): T {
  return of[random(of.length)]!;
}

function cutOut(text: string, at: number, length: number): string {
  return text.slice(0, at) + text.slice(at + length);
}

function insert(text: string, at: number, piece: string): string {
  return text.slice(0, at) + piece + text.slice(at);
}

function byLines(text: string, change: (lines: readonly string[]) => readonly string[]): string {
  return change(text.split('\n')).join('\n');
}

function textOf(seed: number): string {
  const random = wholeFrom(seed);
  const damaged = Array.from({ length: 1 + random(4) }).reduce<string>((text) => pick(damages, random)(text, random), pick(whole, random));
  if (seed % largeEvery !== 0) return damaged;
  const piece = `${pick(pieces, random)}${pick(['', '\n', ' ', ','], random)}`;
  return insert(damaged, random(damaged.length + 1), piece.repeat(Math.ceil(random((1 << 20) + 2_000) / piece.length)));
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Throws when it is not as it has to be. Gives how it ended. */
function look(text: string): 'planned' | 'refused' | 'not planned' {
  const { pipeline, complaints } = checkPipeline(text, { hostJobs: true });
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  const astray = (told: readonly Complaint[]): readonly Complaint[] => told.filter(({ line, column, length }) =>
    !Number.isInteger(line) || line < 1 || line > lines.length || !Number.isInteger(column) || column < 1 || column > lines[line - 1]!.length + 1 || length < 1);
  expect(astray(complaints)).to.deep.equal([]);
  expect(complaints.every(({ message }) => message !== '')).to.equal(true);
  expect(pipeline === undefined).to.equal(complaints.some(({ severity }) => severity === 'error'));
  expect(formatComplaints(complaints, { file: 'fuzz.yaml', text })).to.be.a('string');
  if (pipeline === undefined) return 'refused';
  const planned = planPipeline(pipeline);
  if ('plan' in planned) return 'planned';
  expect(planned.complaints).not.to.have.length(0);
  expect(astray(planned.complaints)).to.deep.equal([]);
  return 'not planned';
}

describe(`damaged pipelines (${texts} from seed ${firstSeed})`, function () {
  this.timeout(60_000 + texts * 20);

  it('are checked and planned, or refused with places, and never take long', () => {
    const ends = { 'planned': 0, 'refused': 0, 'not planned': 0 };
    let slowest = 0;
    for (let seed = firstSeed; seed < firstSeed + texts; seed += 1) {
      const text = textOf(seed);
      let ms = 0;
      try {
        ms = cpuMs(() => { ends[look(text)] += 1; });
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}\n${text.slice(0, 4_000)}`, { cause: error });
      }
      if (ms > cpuMsMax) throw new Error(`seed ${seed} took ${ms} ms of the processor:\n${text.slice(0, 2_000)}`);
      slowest = Math.max(slowest, ms);
    }
    if (process.env['FUZZ_TEXTS'] !== undefined) process.stdout.write(`      ${texts} texts from seed ${firstSeed}: ${JSON.stringify(ends)}, the slowest ${slowest.toFixed(0)} ms of the processor\n`);
    expect(ends.planned).to.be.greaterThan(0);
    expect(ends.refused).to.be.greaterThan(0);
  });
});
