// Tests the sorting of long lists.

import { expect } from 'chai';
import { sortInTurns } from '../../server/support/sort-in-turns.ts';
import { countTurns } from '../helpers/count-turns.ts';
import { createRandomInteger, seeds } from '../helpers/seeded-random.ts';

describe('sortInTurns', () => {
  for (const seed of seeds(8))
    it(`sortInTurns sorts like sort, and keeps the order of equal items (seed ${seed})`, async () => {
      const random = createRandomInteger(seed);
      const items = Array.from({ length: random(12_000) }, (_, at) => ({ at, key: random(500) }));
      const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
      expect(await sortInTurns(items, compare)).to.deep.equal([...items].sort(compare));
    });

  it('sortInTurns yields to the event loop at least once for each thousand items', async () => {
    const items = Array.from({ length: 20_000 }, (_, at) => (at * 7919) % 20_000);
    expect(await countTurns(() => sortInTurns(items, (a, b) => a - b))).to.be.at.least(20);
    expect(await countTurns(() => sortInTurns([2, 1], (a, b) => a - b))).to.equal(0);
    expect(await sortInTurns([], () => 0)).to.deep.equal([]);
  });
});
