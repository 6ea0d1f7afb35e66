import { expect } from 'chai';
import { deferred } from '../../server/support/deferred.ts';
import { takingTurns } from '../../server/support/turns.ts';

describe('work that takes turns', () => {
  it('is done a few at a time, in order, whatever becomes of each', async () => {
    const inTurn = takingTurns(2);
    const begun: number[] = [];
    const works = Array.from({ length: 5 }, () => deferred<number>());
    const results = works.map((work, i) => inTurn(() => {
      begun.push(i);
      return work.promise.then((value) => {
        if (value === 1) throw new Error('one');
        return value;
      });
    }));
    const told = Promise.allSettled(results);
    expect(begun).to.deep.equal([0, 1]);
    works[1]!.resolve(1);
    await results[1]!.catch(() => {});
    await Promise.resolve();
    expect(begun).to.deep.equal([0, 1, 2]);
    works.forEach((work, i) => work.resolve(i));
    expect((await told).map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).to.deep.equal([0, 'Error: one', 2, 3, 4]);
    expect(begun).to.deep.equal([0, 1, 2, 3, 4]);
    expect(await inTurn(() => Promise.resolve('again'))).to.equal('again');
  });
});
