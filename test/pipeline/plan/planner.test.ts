// Tests the planner: which jobs run, how often, and after which other jobs.

import { expect } from 'chai';
import type { Pipeline } from '../../../server/pipeline/language/model.ts';
import type { Plan } from '../../../server/pipeline/plan/plan.ts';
import { planPipeline } from '../../../server/pipeline/plan/planner.ts';
import { createJob, createPipeline, type JobFields } from '../../helpers/pipeline/build-pipeline.ts';

function createPlan(pipeline: Pipeline): Plan {
  const result = planPipeline(pipeline);
  if ('diagnostics' in result) throw new Error(result.diagnostics.map(({ message }) => message).join('\n'));
  return result.plan;
}

function messages(pipeline: Pipeline): readonly string[] {
  const result = planPipeline(pipeline);
  return 'diagnostics' in result ? result.diagnostics.map(({ message }) => message) : [];
}

function createOrderedPipeline(workflow: string | undefined, jobs: Readonly<Record<string, JobFields>>): Pipeline {
  return createPipeline(
    Object.entries(jobs).map(([name, fields]) => createJob(name, fields)),
    workflow === undefined ? {} : { workflow },
  );
}

function dependenciesById({ jobs }: Plan): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(jobs.map(({ id, after }) => [id, after]));
}

describe('the plan of a workflow', () => {
  it('a workflow job waits for the previous one', () => {
    const plan = createPlan(createOrderedPipeline('a b c', { a: {}, b: {}, c: {} }));
    expect(dependenciesById(plan)).to.deep.equal({ a: [], b: ['a'], c: ['b'] });
    expect(plan.stages).to.deep.equal([['a'], ['b'], ['c']]);
    expect(plan.jobs.map(({ stage }) => stage)).to.deep.equal([0, 1, 2]);
  });

  it('consecutive parallel jobs form a group, and the next job waits for all jobs of the group', () => {
    const plan = createPlan(
      createOrderedPipeline('a p q b r', {
        a: {},
        p: { parallel: true },
        q: { parallel: true },
        b: {},
        r: { parallel: true },
      }),
    );
    expect(dependenciesById(plan)).to.deep.equal({ a: [], p: ['a'], q: ['a'], b: ['p', 'q'], r: ['b'] });
    expect(plan.stages).to.deep.equal([['a'], ['p', 'q'], ['b'], ['r']]);
  });

  it('a job named twice in the workflow runs twice with different ids', () => {
    const plan = createPlan(createOrderedPipeline('a b a', { a: {}, b: {} }));
    expect(dependenciesById(plan)).to.deep.equal({ a: [], b: ['a'], 'a#2': ['b'] });
    expect(plan.jobs.map(({ name }) => name)).to.deep.equal(['a', 'b', 'a']);
  });

  it('ids stay unique when a job has the name of a numbered id', () => {
    const plan = createPlan(createOrderedPipeline('a a a#2', { a: {}, 'a#2': {} }));
    expect(new Set(plan.jobs.map(({ id }) => id)).size).to.equal(3);
  });

  it('long ids are shortened and stay unique', () => {
    const plan = createPlan(
      createOrderedPipeline(undefined, {
        t: { matrix: [{ name: 'v', values: ['x'.repeat(300), `${'x'.repeat(300)}y`] }] },
      }),
    );
    expect(plan.jobs.map(({ id }) => id.length)).to.deep.equal([200, 202]);
  });

  it('jobs with `needs` are not part of a workflow step', () => {
    const plan = createPlan(
      createOrderedPipeline('a n p q z', {
        a: {},
        n: { needs: ['z'] },
        p: { parallel: true },
        q: { parallel: true, needs: [] },
        z: {},
      }),
    );
    expect(dependenciesById(plan)).to.deep.equal({ a: [], q: [], p: ['a'], z: ['p'], n: ['z'] });
    expect(plan.jobs.map(({ id }) => id)).to.deep.equal(['a', 'q', 'p', 'z', 'n']);
  });

  it('parallel jobs form one group even if a job with `needs` is between them', () => {
    expect(
      dependenciesById(
        createPlan(createOrderedPipeline('p n q', { p: { parallel: true }, n: { needs: [] }, q: { parallel: true } })),
      ),
    ).to.deep.equal({ p: [], n: [], q: [] });
  });
});

describe('the plan of jobs with `needs`', () => {
  it('without a workflow every job runs, ordered by `needs`', () => {
    const plan = createPlan(
      createOrderedPipeline(undefined, {
        deploy: { needs: ['test', 'lint'] },
        test: { needs: ['build'] },
        lint: {},
        build: {},
      }),
    );
    expect(dependenciesById(plan)).to.deep.equal({ lint: [], build: [], test: ['build'], deploy: ['test', 'lint'] });
    expect(plan.stages).to.deep.equal([['lint', 'build'], ['test'], ['deploy']]);
  });

  it('a name in `needs` refers to all planned jobs with that name', () => {
    const axes = [{ name: 'node', values: ['20', '22'] }];
    const plan = createPlan(
      createOrderedPipeline('a a t z', { a: {}, t: { matrix: axes, needs: [] }, z: { needs: ['t', 'a', 't'] } }),
    );
    expect(dependenciesById(plan)['z']).to.deep.equal(['t (node=20)', 't (node=22)', 'a', 'a#2']);
  });

  it('a cycle is reported whole, at the `needs` of the job that closes it', () => {
    const result = planPipeline(
      createOrderedPipeline(undefined, { a: { needs: ['b'] }, b: { needs: ['c', 'x'] }, c: { needs: ['a'] }, x: {} }),
    );
    expect(result).to.have.property('diagnostics').with.lengthOf(1);
    expect('diagnostics' in result && result.diagnostics[0]).to.deep.include({
      code: 'INVALID_FIELD_VALUE',
      severity: 'error',
      job: 'c',
      field: 'needs',
      message: 'jobs wait for each other: a -> b -> c -> a',
    });
  });

  it('a job that needs itself is reported as a cycle', () => {
    expect(messages(createOrderedPipeline(undefined, { a: { needs: ['a'] } }))).to.deep.equal([
      "job 'a' waits for itself: a -> a",
    ]);
  });

  it('each set of jobs that wait for each other is reported once, with only the jobs of its shortest cycle', () => {
    expect(
      messages(
        createOrderedPipeline(undefined, {
          before: { needs: ['a'] },
          a: { needs: ['b', 'c'] },
          b: { needs: ['c'] },
          c: { needs: ['a'] },
          p: { needs: ['q', 'a'] },
          q: { needs: ['p'] },
        }),
      ),
    ).to.deep.equal(['jobs wait for each other: a -> c -> a', 'jobs wait for each other: p -> q -> p']);
  });

  it('a name in `needs` is reported if its job does not run', () => {
    expect(messages(createOrderedPipeline('a', { a: { needs: ['b'] } }))).to.deep.equal([
      "job 'a' needs 'b', which does not run",
    ]);
  });
});

describe('the plan of a matrix', () => {
  const axes = [
    { name: 'node', values: ['20', '22'] },
    { name: 'os', values: ['alpine', 'debian'] },
  ];

  it('L21: excluded combinations are not planned, and partial ones exclude all that contain them', () => {
    const ids = (matrixExclude: readonly Record<string, string>[]): readonly string[] =>
      createPlan(
        createOrderedPipeline(undefined, {
          t: {
            matrix: [
              { name: 'v', values: ['1', '2'] },
              { name: 'w', values: ['x', 'y'] },
            ],
            matrixExclude,
          },
        }),
      ).jobs.map(({ id }) => id);
    expect(ids([{ v: '1', w: 'y' }])).to.deep.equal(['t (v=1, w=x)', 't (v=2, w=x)', 't (v=2, w=y)']);
    expect(ids([{ v: '1' }])).to.deep.equal(['t (v=2, w=x)', 't (v=2, w=y)']);
  });

  it('a matrix expands a job within one step', () => {
    const plan = createPlan(createOrderedPipeline('a t b', { a: {}, t: { matrix: axes }, b: {} }));
    const ids = [
      't (node=20, os=alpine)',
      't (node=20, os=debian)',
      't (node=22, os=alpine)',
      't (node=22, os=debian)',
    ];
    expect(plan.stages).to.deep.equal([['a'], ids, ['b']]);
    expect(dependenciesById(plan)['b']).to.deep.equal(ids);
    expect(plan.jobs[1]).to.deep.include({ name: 't', matrix: { node: '20', os: 'alpine' }, after: ['a'] });
  });

  it('`${name}` is replaced in images, paths, env and names, but not in scripts', () => {
    const volume = (name: string) => ({
      source: { name },
      path: '/v',
      readOnly: false,
      location: { line: 1, column: 1, length: 1 },
    });
    const { job } = createPlan(
      createOrderedPipeline(undefined, {
        t: {
          matrix: [{ name: 'v', values: ['9'] }],
          base: { type: 'image', image: 'node:${v}', pull: 'missing' },
          workDir: '/w${v}',
          script: ['echo ${v}'],
          env: { A: '${v}-${v}', B: '$${v}', C: '${other} $v' },
          artifactPath: 'out/${v}',
          artifacts: ['${v}/*'],
          volumes: [volume('data-${v}')],
          cache: [{ name: 'c-${v}', path: '/c' }],
          services: [{ name: 'db', image: 'db:${v}', pull: 'missing', env: { V: '${v}' }, volumes: [volume('s${v}')] }],
        },
      }),
    ).jobs[0]!;
    expect(job).to.deep.include({
      base: { type: 'image', image: 'node:9', pull: 'missing' },
      workDir: '/w9',
      script: ['echo ${v}'],
      env: { A: '9-9', B: '${v}', C: '${other} $v' },
      artifactPath: 'out/9',
      artifacts: ['9/*'],
      volumes: [volume('data-9')],
      cache: [{ name: 'c-9', path: '/c' }],
    });
    expect(job.services[0]).to.deep.include({ image: 'db:9', env: { V: '9' }, volumes: [volume('s9')] });
  });

  it('matrix values are never inserted into a host folder', () => {
    const source = { folder: '/srv/${v}' };
    const volumes = [{ source, path: '/v', readOnly: false, location: { line: 1, column: 1, length: 1 } }];
    expect(
      createPlan(createOrderedPipeline(undefined, { t: { matrix: [{ name: 'v', values: ['../etc'] }], volumes } }))
        .jobs[0]!.job.volumes,
    ).to.deep.equal(volumes);
  });

  it('a job without a matrix stays unchanged', () => {
    const env = { A: '${HOME} $${x}' };
    expect(createPlan(createOrderedPipeline(undefined, { t: { env } })).jobs[0]!.job.env).to.equal(env);
  });

  it('a matrix of more than 1000 jobs is rejected without being expanded', () => {
    const huge = Array.from({ length: 10 }, (_, at) => ({
      name: `x${at}`,
      values: Array.from({ length: 10 }, (_unused, value) => String(value)),
    }));
    expect(messages(createOrderedPipeline(undefined, { t: { matrix: huge }, a: {} }))).to.deep.equal([
      'the pipeline expands to 10000000001 jobs; at most 1000 are allowed',
    ]);
    const thousand = [{ name: 'x', values: Array.from({ length: 1000 }, (_, at) => String(at)) }];
    expect(createPlan(createOrderedPipeline(undefined, { t: { matrix: thousand } })).jobs).to.have.lengthOf(1000);
  });
});

describe('the plan of 1000 jobs', () => {
  const names = Array.from({ length: 1000 }, (_, at) => `job-${at}`);

  it('a workflow of 1000 jobs becomes a chain of 1000 stages', () => {
    const plan = createPlan(
      createOrderedPipeline(names.join(' '), Object.fromEntries(names.map((name) => [name, {}]))),
    );
    expect(plan.stages).to.have.lengthOf(1000);
  });

  it('1000 jobs with `needs` come after the jobs that they need', () => {
    const entries = names.map((name, at): [string, JobFields] => [
      name,
      {
        needs: [1, 7, 31, 200]
          .map((back) => at - back)
          .filter((to) => to >= 0)
          .map((to) => names[to]!),
      },
    ]);
    const plan = createPlan(createOrderedPipeline(undefined, Object.fromEntries(entries.reverse())));
    const place = new Map(plan.jobs.map(({ id }, at) => [id, at]));
    for (const { id, after } of plan.jobs)
      for (const before of after) expect(place.get(before)).to.be.lessThan(place.get(id)!);
  });

  it('jobs with the same dependencies share one list of dependencies', () => {
    const plan = createPlan(
      createOrderedPipeline(
        names.join(' '),
        Object.fromEntries(names.map((name, at) => [name, { parallel: at !== 500 }])),
      ),
    );
    expect(new Set(plan.jobs.slice(501).map(({ after }) => after)).size).to.equal(1);
    expect(plan.stages.map(({ length }) => length)).to.deep.equal([500, 1, 499]);
  });
});
