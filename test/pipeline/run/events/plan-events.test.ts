// Tests how a plan is split into events.

import { expect } from 'chai';
import { parsePipeline } from '../../../../server/pipeline/language/check.ts';
import type { Plan } from '../../../../server/pipeline/plan/plan.ts';
import { planPipeline } from '../../../../server/pipeline/plan/planner.ts';
import { planEvents } from '../../../../server/pipeline/run/events/plan-events.ts';

/** The log reduces larger events to their type. */
const eventBytesMax = 32 << 10;

function createPlan(text: string): Plan {
  const planned = planPipeline(parsePipeline(text).pipeline!);
  if (!('plan' in planned)) throw new Error('not a plan');
  return planned.plan;
}

const parallelJobs = (size: number, name: string): string =>
  Array.from({ length: size }, (_, i) => `${name}${i}: { image: busybox, parallel: true, script: s }\n`).join('');
const workflowNames = (size: number, name: string): string =>
  Array.from({ length: size }, (_, i) => `${name}${i}`).join(' ');

describe('events of a plan', () => {
  it('a small plan is one event', () => {
    expect(
      planEvents(createPlan('workflow: a b\na: { image: busybox, script: s }\nb: { image: busybox, script: s }\n')),
    ).to.deep.equal([
      {
        type: 'pipeline-planned',
        logsWithTime: false,
        jobs: [
          { id: 'a', name: 'a', after: [], stage: 0 },
          { id: 'b', name: 'b', after: ['a'], stage: 1 },
        ],
      },
    ]);
  });

  it('a plan of a thousand jobs is split into events below the size limit, each job once and in order', () => {
    const plan = createPlan(
      `workflow: ${workflowNames(499, 'left')} last ${workflowNames(500, 'right')}\n` +
        'last: { image: busybox, script: s }\n' +
        parallelJobs(499, 'left') +
        parallelJobs(500, 'right'),
    );
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
