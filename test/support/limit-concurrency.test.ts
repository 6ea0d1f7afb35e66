// Tests that only a limited number of tasks run at once.

import { expect } from 'chai';
import { deferred } from '../../server/support/deferred.ts';
import { limitConcurrency } from '../../server/support/limit-concurrency.ts';

describe('limitConcurrency', () => {
  it('limitConcurrency runs a limited number of tasks at once, in order, whether they succeed or fail', async () => {
    const limit = limitConcurrency(2);
    const started: number[] = [];
    const tasks = Array.from({ length: 5 }, () => deferred<number>());
    const results = tasks.map((task, i) =>
      limit(() => {
        started.push(i);
        return task.promise.then((value) => {
          if (value === 1) throw new Error('one');
          return value;
        });
      }),
    );
    const settled = Promise.allSettled(results);
    expect(started).to.deep.equal([0, 1]);
    tasks[1]!.resolve(1);
    await results[1]!.catch(() => {});
    await Promise.resolve();
    expect(started).to.deep.equal([0, 1, 2]);
    for (const [i, task] of tasks.entries()) task.resolve(i);
    expect(
      (await settled).map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
    ).to.deep.equal([0, 'Error: one', 2, 3, 4]);
    expect(started).to.deep.equal([0, 1, 2, 3, 4]);
    expect(await limit(() => Promise.resolve('again'))).to.equal('again');
  });
});
