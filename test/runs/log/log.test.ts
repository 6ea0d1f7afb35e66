import { expect } from 'chai';
import { until } from '../../helpers/until.ts';
import { chance, expectSame, inFolder, openFiles } from '../kit.ts';
import { normal, Theatre } from './model.ts';

describe('a log and its watchers', () => {
  for (const shape of ['lines', 'raw'] as const) {
    it(`tells everybody the same, once and in order, whenever they come and however slow they are (${shape})`, async function () {
      this.timeout(60_000);
      const filesBefore = openFiles();
      await inFolder(async (folder) => {
        for (let seed = 0; seed < 120; seed++) {
          const theatre = new Theatre(folder, chance(seed), shape);
          await theatre.play(60);
          for (const seat of theatre.seats) {
            expectSame(normal([...seat.before, ...seat.notebook.told], seat.shape), theatre.expected(seat), `seed ${seed}`);
            expect(seat.ends, `seed ${seed}`).to.equal(1);
            expect(seat.toldAtEnd, `seed ${seed}`).to.equal(seat.notebook.told.length);
          }
        }
      });
      await until('no file is left open', () => openFiles() <= filesBefore);
    });
  }
});
