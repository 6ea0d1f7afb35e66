// Tests which results of earlier jobs reach a job.

import { expect } from 'chai';
import { JobResults } from '../../../../server/pipeline/run/scheduler/job-results.ts';
import { createPlan } from '../../../helpers/pipeline/scripted-jobs.ts';

const resultWith = (name: string, value: string) => ({ outputs: { [name]: value }, artifacts: [value] });

describe('results that reach a job', () => {
  it('results come from direct and indirect dependencies only', () => {
    const { jobs } = createPlan({ a: {}, b: { needs: ['a'] }, c: { needs: ['b'] }, x: {} });
    const results = new JobResults(jobs);
    results.record('a', resultWith('A', 'a'));
    results.record('x', resultWith('X', 'x'));
    results.record('b', resultWith('B', 'b'));
    expect(results.upstreamOf(jobs.find(({ id }) => id === 'c')!)).to.deep.equal({
      outputs: { A: 'a', B: 'b' },
      artifacts: ['a', 'b'],
    });
    expect(results.upstreamOf(jobs.find(({ id }) => id === 'a')!)).to.deep.equal({ outputs: {}, artifacts: [] });
    expect(results.outputs()).to.deep.equal({ A: 'a', X: 'x', B: 'b' });
  });

  it('the last results count when a job runs twice', () => {
    const { jobs } = createPlan({ a: {}, b: {} }, { workflow: 'a a b' });
    const results = new JobResults(jobs);
    results.record('a', resultWith('A', 'first'));
    results.record('a#2', resultWith('A', 'second'));
    expect(results.upstreamOf(jobs[2]!).outputs).to.deep.equal({ A: 'second' });
  });

  it('results pass through a thousand jobs without results', () => {
    const names = Array.from({ length: 1000 }, (_, at) => `j${at}`);
    const { jobs } = createPlan(Object.fromEntries(names.map((name) => [name, {}])), { workflow: names.join(' ') });
    const results = new JobResults(jobs);
    results.record('j0', resultWith('A', 'a'));
    expect(results.upstreamOf(jobs[999]!).outputs).to.deep.equal({ A: 'a' });
  });
});
