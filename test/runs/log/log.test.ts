import { expect } from 'chai';
import type { Shape } from '../../../server/runs/log/page.ts';
import { until } from '../../helpers/until.ts';
import { chance, expectSame, inFolder, openFiles } from '../kit.ts';
import { normal, Theatre, withoutRepeats } from './model.ts';

describe('a log and its watchers', () => {
  for (const shape of ['lines', 'raw'] as const) {
    it(`tells everybody the same, once and in order, whenever they come and however slow they are (${shape})`, async function () {
      this.timeout(60_000);
      const filesBefore = openFiles();
      await inFolder(async (folder) => {
        for (let seed = 0; seed < 120; seed++) {
          const theatre = new Theatre(folder, chance(seed), { shape, retention: false });
          await theatre.play(60);
          for (const seat of theatre.seats) {
            expectSame(withoutRepeats(normal([...seat.before, ...seat.notebook.told], seat.shape)), theatre.expected(seat), `seed ${seed}`);
            expect(seat.ends, `seed ${seed}`).to.equal(1);
            expect(seat.toldAtEnd, `seed ${seed}`).to.equal(seat.notebook.told.length);
          }
        }
      });
      await until('no file is left open', () => openFiles() <= filesBefore);
    });

    it(`tells everybody what was removed before it could be told, and all the rest (${shape})`, async function () {
      this.timeout(60_000);
      const filesBefore = openFiles();
      let gaps = 0;
      await inFolder(async (folder) => {
        for (let seed = 0; seed < 25; seed++) {
          const theatre = new Theatre(folder, chance(seed), { shape, retention: true });
          await theatre.play(60);
          for (const seat of theatre.seats) {
            const told = [...seat.before, ...seat.notebook.told];
            expectAccounted(told, theatre.expected(seat), { unit: seat.shape, what: `seed ${seed}` });
            gaps += told.filter((text) => text.startsWith('~')).length;
          }
        }
      });
      expect(gaps).to.be.above(10);
      await until('no file is left open', () => openFiles() <= filesBefore);
    });
  }
});

/** Each line (byte) is told at its place, or a gap is told there; events are told in order, and once. */
function expectAccounted(told: readonly string[], expected: readonly string[], { unit, what }: { readonly unit: Shape; readonly what: string }): void {
  const isText = (text: string): boolean => !text.startsWith('#') && !text.startsWith('~');
  const lines = expected.filter(isText);
  const bytes = Buffer.from(lines.join(''));
  let next = 0;
  let seq = 0;
  for (const text of told) {
    if (text.startsWith('~')) {
      const [from, to] = text.slice(1).split('-').map(Number);
      expect(from, what).to.equal(next + 1);
      next = to!;
    } else if (text.startsWith('#')) {
      expect(Number(text.split(' ')[1]), what).to.be.above(seq);
      seq = Number(text.split(' ')[1]);
    } else if (unit === 'lines') {
      expect(text, `${what}, line ${next}`).to.equal(lines[next++]);
    } else {
      expect(bytes.subarray(next, next += Buffer.byteLength(text)).toString('utf8'), what).to.equal(text);
    }
  }
  expect(next, what).to.equal(unit === 'lines' ? lines.length : bytes.length);
}
