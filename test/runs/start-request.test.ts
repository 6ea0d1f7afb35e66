// Tests calls that check the combination of their params before the gateway creates a run.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import { codeCall, withTestRuns } from '../helpers/runs/test-runs.ts';

const picky: Call = {
  ...codeCall('picky', async () => ({})),
  params: [
    { name: 'from', schema: { type: 'integer' } },
    { name: 'to', schema: { type: 'integer' }, default: '9' },
  ],
  check: ({ from, to }) =>
    Number(from) <= Number(to)
      ? { ok: true }
      : { ok: false, message: `${from} is more than ${to}\nwrite them the other way round` },
};

describe('a call that checks the combination of its params', () => {
  it('a call rejects wrong params with its own message, and no run is stored', () =>
    withTestRuns([picky], async ({ runs, start }) => {
      expect(() => start('picky', ['3', '2']))
        .to.throw('3 is more than 2\nwrite them the other way round')
        .with.property('code', 'invalid-params');
      expect(() => start('picky', ['12'])).to.throw('12 is more than 9');
      expect(runs.list({ limit: 10 }).runs).to.deep.equal([]);
    }));

  it('a call checks the combination only if each param is valid, and runs if both checks succeed', () =>
    withTestRuns([picky], async ({ start }) => {
      expect(() => start('picky', ['x'])).to.throw('invalid parameter "from" ("x"): must be an integer');
      expect(await start('picky', ['1', '2']).ended).to.include({ outcome: 'succeeded' });
    }));
});
