// What comes to a job from those before it.

import { expect } from 'chai';
import { Handing } from '../../../server/pipeline/run/handed.ts';
import { planOf } from './scripted.ts';

const makes = (name: string, value: string) => ({ outputs: { [name]: value }, artifacts: [value] });

describe('what is handed to a job', () => {
  it('comes from all it waits for, directly or not, and from nobody else', () => {
    const { jobs } = planOf({ a: {}, b: { needs: ['a'] }, c: { needs: ['b'] }, x: {} });
    const handing = new Handing(jobs);
    handing.made('a', makes('A', 'a'));
    handing.made('x', makes('X', 'x'));
    handing.made('b', makes('B', 'b'));
    expect(handing.before(jobs.find(({ id }) => id === 'c')!)).to.deep.equal({ outputs: { A: 'a', B: 'b' }, artifacts: ['a', 'b'] });
    expect(handing.before(jobs.find(({ id }) => id === 'a')!)).to.deep.equal({ outputs: {}, artifacts: [] });
    expect(handing.outputs()).to.deep.equal({ A: 'a', X: 'x', B: 'b' });
  });

  it('is the last that was made, where a job runs twice', () => {
    const { jobs } = planOf({ a: {}, b: {} }, { workflow: 'a a b' });
    const handing = new Handing(jobs);
    handing.made('a', makes('A', 'first'));
    handing.made('a#2', makes('A', 'second'));
    expect(handing.before(jobs[2]!).outputs).to.deep.equal({ A: 'second' });
  });

  it('reaches over a thousand jobs that made nothing', () => {
    const names = Array.from({ length: 1000 }, (_, at) => `j${at}`);
    const { jobs } = planOf(Object.fromEntries(names.map((name) => [name, {}])), { workflow: names.join(' ') });
    const handing = new Handing(jobs);
    handing.made('j0', makes('A', 'a'));
    expect(handing.before(jobs[999]!).outputs).to.deep.equal({ A: 'a' });
  });
});
