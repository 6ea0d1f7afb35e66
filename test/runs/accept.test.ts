// What a call says of its params together, before there is a run.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import { code, withHeart } from './heart.ts';

const picky: Call = {
  ...code('picky', async () => ({})),
  params: [{ name: 'from', schema: { type: 'integer' } }, { name: 'to', schema: { type: 'integer' }, default: '9' }],
  check: ({ from, to }) => (Number(from) <= Number(to) ? undefined : `${from} is more than ${to}\nwrite them the other way round`),
};

describe('a call that checks its params together', () => {
  it('is refused in its own words, and no run is stored', () => withHeart([picky], async ({ runs, start }) => {
    expect(() => start('picky', ['3', '2'])).to.throw('3 is more than 2\nwrite them the other way round').with.property('ending', 'refused');
    expect(() => start('picky', ['12'])).to.throw('12 is more than 9');
    expect(runs.list({ limit: 10 }).runs).to.deep.equal([]);
  }));

  it('is asked only when each of them fits, and runs when nothing is wrong', () => withHeart([picky], async ({ start }) => {
    expect(() => start('picky', ['x'])).to.throw('invalid parameter "from" ("x"): must be an integer');
    expect(await start('picky', ['1', '2']).ended).to.include({ outcome: 'succeeded' });
  }));
});
