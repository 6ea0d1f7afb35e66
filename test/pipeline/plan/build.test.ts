// The plan: who runs, how often, and after whom.

import { expect } from 'chai';
import { planPipeline } from '../../../server/pipeline/plan/build.ts';
import type { Plan } from '../../../server/pipeline/plan/plan.ts';
import type { Pipeline } from '../../../server/pipeline/language/tree.ts';
import { jobOf, pipelineOf, type JobWish } from './trees.ts';

function planned(pipeline: Pipeline): Plan {
  const made = planPipeline(pipeline);
  if ('complaints' in made) throw new Error(made.complaints.map(({ message }) => message).join('\n'));
  return made.plan;
}

function complaints(pipeline: Pipeline): readonly string[] {
  const made = planPipeline(pipeline);
  return 'complaints' in made ? made.complaints.map(({ message }) => message) : [];
}

function inOrder(workflow: string | undefined, jobs: Readonly<Record<string, JobWish>>): Pipeline {
  return pipelineOf(Object.entries(jobs).map(([name, wish]) => jobOf(name, wish)), workflow === undefined ? {} : { workflow });
}

function waits({ jobs }: Plan): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(jobs.map(({ id, after }) => [id, after]));
}

describe('the plan of a workflow', () => {
  it('makes each job wait for the one before it', () => {
    const plan = planned(inOrder('a b c', { a: {}, b: {}, c: {} }));
    expect(waits(plan)).to.deep.equal({ a: [], b: ['a'], c: ['b'] });
    expect(plan.stages).to.deep.equal([['a'], ['b'], ['c']]);
    expect(plan.jobs.map(({ stage }) => stage)).to.deep.equal([0, 1, 2]);
  });

  it('makes a group of consecutive parallel jobs, and lets what follows wait for all of it', () => {
    const plan = planned(inOrder('a p q b r', { a: {}, p: { parallel: true }, q: { parallel: true }, b: {}, r: { parallel: true } }));
    expect(waits(plan)).to.deep.equal({ a: [], p: ['a'], q: ['a'], b: ['p', 'q'], r: ['b'] });
    expect(plan.stages).to.deep.equal([['a'], ['p', 'q'], ['b'], ['r']]);
  });

  it('runs a job as often as it is named, and tells them apart', () => {
    const plan = planned(inOrder('a b a', { a: {}, b: {} }));
    expect(waits(plan)).to.deep.equal({ a: [], b: ['a'], 'a#2': ['b'] });
    expect(plan.jobs.map(({ name }) => name)).to.deep.equal(['a', 'b', 'a']);
  });

  it('keeps ids apart where a job is called as another one is numbered', () => {
    const plan = planned(inOrder('a a a#2', { a: {}, 'a#2': {} }));
    expect(new Set(plan.jobs.map(({ id }) => id)).size).to.equal(3);
  });

  it('keeps ids short, and apart all the same', () => {
    const plan = planned(inOrder(undefined, { t: { matrix: [{ name: 'v', values: ['x'.repeat(300), `${'x'.repeat(300)}y`] }] } }));
    expect(plan.jobs.map(({ id }) => id.length)).to.deep.equal([200, 202]);
  });

  it('takes jobs with needs out of the steps', () => {
    const plan = planned(inOrder('a n p q z', { a: {}, n: { needs: ['z'] }, p: { parallel: true }, q: { parallel: true, needs: [] }, z: {} }));
    expect(waits(plan)).to.deep.equal({ a: [], q: [], p: ['a'], z: ['p'], n: ['z'] });
    expect(plan.jobs.map(({ id }) => id)).to.deep.equal(['a', 'q', 'p', 'z', 'n']);
  });

  it('joins parallel jobs although one with needs stands between them', () => {
    expect(waits(planned(inOrder('p n q', { p: { parallel: true }, n: { needs: [] }, q: { parallel: true } })))).to.deep.equal({ p: [], n: [], q: [] });
  });
});

describe('the plan of needs', () => {
  it('runs every job, in the order that needs give', () => {
    const plan = planned(inOrder(undefined, { deploy: { needs: ['test', 'lint'] }, test: { needs: ['build'] }, lint: {}, build: {} }));
    expect(waits(plan)).to.deep.equal({ lint: [], build: [], test: ['build'], deploy: ['test', 'lint'] });
    expect(plan.stages).to.deep.equal([['lint', 'build'], ['test'], ['deploy']]);
  });

  it('means all planned jobs of a name', () => {
    const axes = [{ name: 'node', values: ['20', '22'] }];
    const plan = planned(inOrder('a a t z', { a: {}, t: { matrix: axes, needs: [] }, z: { needs: ['t', 'a', 't'] } }));
    expect(waits(plan)['z']).to.deep.equal(['t (node=20)', 't (node=22)', 'a', 'a#2']);
  });

  it('names a cycle whole, at the need that closes it', () => {
    const made = planPipeline(inOrder(undefined, { a: { needs: ['b'] }, b: { needs: ['c', 'x'] }, c: { needs: ['a'] }, x: {} }));
    expect(made).to.have.property('complaints').with.lengthOf(1);
    expect('complaints' in made && made.complaints[0]).to.deep.include({
      code: 'INVALID_FIELD_VALUE', severity: 'error', job: 'c', field: 'needs', message: 'jobs wait for each other: a -> b -> c -> a',
    });
  });

  it('names the cycle of a job that needs itself', () => {
    expect(complaints(inOrder(undefined, { a: { needs: ['a'] } }))).to.deep.equal(["job 'a' waits for itself: a -> a"]);
  });

  it('names each knot once, the shortest way round, and nobody who only waits for it', () => {
    expect(complaints(inOrder(undefined, {
      before: { needs: ['a'] }, a: { needs: ['b', 'c'] }, b: { needs: ['c'] }, c: { needs: ['a'] }, p: { needs: ['q', 'a'] }, q: { needs: ['p'] },
    }))).to.deep.equal(['jobs wait for each other: a -> c -> a', 'jobs wait for each other: p -> q -> p']);
  });

  it('complains of a need that does not run', () => {
    expect(complaints(inOrder('a', { a: { needs: ['b'] } }))).to.deep.equal(["job 'a' needs 'b', which does not run"]);
  });
});

describe('the plan of a matrix', () => {
  const axes = [{ name: 'node', values: ['20', '22'] }, { name: 'os', values: ['alpine', 'debian'] }];

  it('spreads a job out, in one step', () => {
    const plan = planned(inOrder('a t b', { a: {}, t: { matrix: axes }, b: {} }));
    const ids = ['t (node=20, os=alpine)', 't (node=20, os=debian)', 't (node=22, os=alpine)', 't (node=22, os=debian)'];
    expect(plan.stages).to.deep.equal([['a'], ids, ['b']]);
    expect(waits(plan)['b']).to.deep.equal(ids);
    expect(plan.jobs[1]).to.deep.include({ name: 't', matrix: { node: '20', os: 'alpine' }, after: ['a'] });
  });

  it('fills in `${name}` where a job names things, and leaves what is the shell\'s', () => {
    const volume = (name: string) => ({ source: { name }, path: '/v', readOnly: false, place: { line: 1, column: 1, length: 1 } });
    const { job } = planned(inOrder(undefined, {
      t: {
        matrix: [{ name: 'v', values: ['9'] }], base: { type: 'image', image: 'node:${v}', pull: 'missing' }, workDir: '/w${v}', script: ['echo ${v}'],
        env: { A: '${v}-${v}', B: '$${v}', C: '${other} $v' }, artifactPath: 'out/${v}', artifacts: ['${v}/*'], volumes: [volume('data-${v}')],
        cache: [{ name: 'c-${v}', path: '/c' }],
        services: [{ name: 'db', image: 'db:${v}', pull: 'missing', env: { V: '${v}' }, volumes: [volume('s${v}')] }],
      },
    })).jobs[0]!;
    expect(job).to.deep.include({
      base: { type: 'image', image: 'node:9', pull: 'missing' }, workDir: '/w9', script: ['echo ${v}'], env: { A: '9-9', B: '${v}', C: '${other} $v' },
      artifactPath: 'out/9', artifacts: ['9/*'], volumes: [volume('data-9')], cache: [{ name: 'c-9', path: '/c' }],
    });
    expect(job.services[0]).to.deep.include({ image: 'db:9', env: { V: '9' }, volumes: [volume('s9')] });
  });

  it('never fills a value into a folder of the machine', () => {
    const source = { folder: '/srv/${v}' };
    const volumes = [{ source, path: '/v', readOnly: false, place: { line: 1, column: 1, length: 1 } }];
    expect(planned(inOrder(undefined, { t: { matrix: [{ name: 'v', values: ['../etc'] }], volumes } })).jobs[0]!.job.volumes).to.deep.equal(volumes);
  });

  it('changes nothing of a job without one', () => {
    const env = { A: '${HOME} $${x}' };
    expect(planned(inOrder(undefined, { t: { env } })).jobs[0]!.job.env).to.equal(env);
  });

  it('refuses more than 1000 jobs, without making them', () => {
    const huge = Array.from({ length: 10 }, (_, at) => ({ name: `x${at}`, values: Array.from({ length: 10 }, (_unused, value) => String(value)) }));
    expect(complaints(inOrder(undefined, { t: { matrix: huge }, a: {} }))).to.deep.equal(['the pipeline comes to 10000000001 jobs; 1000 is the most there may be']);
    const thousand = [{ name: 'x', values: Array.from({ length: 1000 }, (_, at) => String(at)) }];
    expect(planned(inOrder(undefined, { t: { matrix: thousand } })).jobs).to.have.lengthOf(1000);
  });
});

describe('a plan of 1000 jobs', () => {
  const names = Array.from({ length: 1000 }, (_, at) => `job-${at}`);

  it('puts each behind all it waits for, when all are in a row', () => {
    const plan = planned(inOrder(names.join(' '), Object.fromEntries(names.map((name) => [name, {}]))));
    expect(plan.stages).to.have.lengthOf(1000);
  });

  it('puts each behind all it waits for, when needs go everywhere', () => {
    const wishes = names.map((name, at): [string, JobWish] => [name, { needs: [1, 7, 31, 200].map((back) => at - back).filter((to) => to >= 0).map((to) => names[to]!) }]);
    const plan = planned(inOrder(undefined, Object.fromEntries(wishes.reverse())));
    const place = new Map(plan.jobs.map(({ id }, at) => [id, at]));
    for (const { id, after } of plan.jobs) for (const before of after) expect(place.get(before)).to.be.lessThan(place.get(id)!);
  });

  it('keeps one list for all who wait for the same', () => {
    const plan = planned(inOrder(names.join(' '), Object.fromEntries(names.map((name, at) => [name, { parallel: at !== 500 }]))));
    expect(new Set(plan.jobs.slice(501).map(({ after }) => after)).size).to.equal(1);
    expect(plan.stages.map(({ length }) => length)).to.deep.equal([500, 1, 499]);
  });
});
