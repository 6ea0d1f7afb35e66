import { expect } from 'chai';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { planPipeline } from '../../../server/pipeline/plan/build.ts';
import type { Plan } from '../../../server/pipeline/plan/plan.ts';
import { planEvents } from '../../../server/pipeline/run/tell-plan.ts';

/** Beyond this the log keeps nothing of an event but its type. */
const eventBytesMax = 32 << 10;

function planOf(text: string): Plan {
  const planned = planPipeline(checkPipeline(text).pipeline!);
  if (!('plan' in planned)) throw new Error('not a plan');
  return planned.plan;
}

const group = (size: number, name: string): string => Array.from({ length: size }, (_, i) => `${name}${i}: { image: busybox, parallel: true }\n`).join('');
const names = (size: number, name: string): string => Array.from({ length: size }, (_, i) => `${name}${i}`).join(' ');

describe('the events of a plan', () => {
  it('are one for a few jobs', () => {
    expect(planEvents(planOf('workflow: a b\na: { image: busybox }\nb: { image: busybox }\n'))).to.deep.equal([{
      type: 'pipeline-planned', logsWithTime: false, jobs: [{ id: 'a', name: 'a', after: [], stage: 0 }, { id: 'b', name: 'b', after: ['a'], stage: 1 }],
    }]);
  });

  it('are several for a thousand, none larger than the log takes, and together name every job once and in order', () => {
    const plan = planOf(`workflow: ${names(499, 'left')} last ${names(500, 'right')}\nlast: { image: busybox }\n${group(499, 'left')}${group(500, 'right')}`);
    const events = planEvents(plan);
    expect(events.length).to.be.greaterThan(1);
    for (const event of events) expect(JSON.stringify(event).length).to.be.lessThan(eventBytesMax - 1000);
    expect(events.flatMap(({ jobs }) => jobs.map(({ id }) => id))).to.deep.equal(plan.jobs.map(({ id }) => id));
    let before = 0;
    for (const { from, of, jobs } of events) {
      expect({ from, of }).to.deep.equal({ from: before, of: 1000 });
      before += jobs.length;
    }
    const last = events.flatMap(({ jobs }) => jobs).find(({ id }) => id === 'last');
    expect(last?.after).to.have.lengthOf(50);
    expect(last?.afterMore).to.equal(449);
  });
});
