// Tests randomly damaged configurations: the loader accepts each, or rejects it with positions, and never throws. The
// title contains the seed.

import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { formatDiagnostics } from '../../calls/text/format-diagnostics.ts';
import { loadConfig } from '../../server/config/load/load.ts';
import { inFolder } from '../helpers/config/config-folder.ts';
import { createRandomInteger } from '../helpers/seeded-random.ts';

const pieces = [
  '{',
  '}',
  '[',
  ']',
  ':',
  '- ',
  '&a ',
  '*a',
  '!!str ',
  '"',
  "'",
  '\n',
  '\t',
  '  ',
  '#',
  '|',
  '>',
  '? ',
  'null',
  '5',
  'true',
  '${x}',
  '\0',
  '---\n',
  '%YAML',
  '<<: ',
  'é',
  '1e999',
  '~',
  '__proto__',
];

function damageText(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  return random(2) === 0
    ? text.slice(0, at) + text.slice(at + random(12))
    : text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at);
}

describe('a damaged configuration', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_122);

  it(`a damaged configuration is loaded or rejected with positions, and never throws (seed ${seed})`, () =>
    inFolder(async ({ write }) => {
      const random = createRandomInteger(seed);
      const whole = (await readFile(new URL('../../distillery.yaml', import.meta.url), 'utf8')).replace(
        /^news:.*$/m,
        '',
      );
      for (let round = 0; round < 100; round += 1) {
        const text = Array.from({ length: 1 + random(3) }).reduce<string>((now) => damageText(now, random), whole);
        const loaded = await loadConfig(await write('distillery.yaml', text));
        if (loaded.ok) continue;
        expect(loaded.diagnostics, text).not.to.have.length(0);
        expect(
          loaded.diagnostics.every(({ line, column, message }) => line >= 1 && column >= 1 && message !== ''),
          text,
        ).to.equal(true);
        expect(formatDiagnostics(loaded.diagnostics)).to.be.a('string');
      }
    })).timeout(60_000);
});
