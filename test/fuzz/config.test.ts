// Configurations with random damage: each is either loaded or refused with places; none throws. The seed is printed in the title.

import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { formatProblems } from '../../server/config/format.ts';
import { loadConfig } from '../../server/config/load.ts';
import { inFolder } from '../config/folder.ts';
import { wholeFrom } from '../helpers/random.ts';

const pieces = ['{', '}', '[', ']', ':', '- ', '&a ', '*a', '!!str ', '"', "'", '\n', '\t', '  ', '#', '|', '>', '? ', 'null', '5', 'true', '${x}', '\0', '---\n', '%YAML', '<<: ', 'é', '1e999', '~', '__proto__'];

function damaged(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  return random(2) === 0 ? text.slice(0, at) + text.slice(at + random(12)) : text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at);
}

describe('a damaged configuration', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_122);

  it(`is loaded or refused with places, and never throws (seed ${seed})`, () => inFolder(async ({ write }) => {
    const random = wholeFrom(seed);
    const whole = (await readFile(new URL('../../distillery.yaml', import.meta.url), 'utf8')).replace(/^news:.*$/m, '');
    for (let round = 0; round < 100; round += 1) {
      const text = Array.from({ length: 1 + random(3) }).reduce<string>((now) => damaged(now, random), whole);
      const loaded = await loadConfig(await write('distillery.yaml', text));
      if (loaded.ok) continue;
      expect(loaded.problems, text).not.to.have.length(0);
      expect(loaded.problems.every(({ line, column, message }) => line >= 1 && column >= 1 && message !== ''), text).to.equal(true);
      expect(formatProblems(loaded.problems)).to.be.a('string');
    }
  })).timeout(30_000);
});
