// Tests the scheduler with its dispatcher: which jobs start when, and what follows from each result.

import { expect } from 'chai';
import { WorkLost } from '../../../../calls/contract/engines.ts';
import { expectRejection } from '../../../helpers/docker/test-engine.ts';
import { fails, runScripted, type ScriptedRun, succeeds } from '../../../helpers/pipeline/scripted-jobs.ts';
import { waitUntil } from '../../../helpers/wait-until.ts';

const parallel = { parallel: true } as const;
const ok = [succeeds];

function statuses({ result }: ScriptedRun): Promise<Readonly<Record<string, string>>> {
  return result.then(({ jobs }) =>
    Object.fromEntries(
      jobs.map(({ id, status, reason }) => [id, reason === undefined ? status : `${status}: ${reason}`]),
    ),
  );
}

describe('jobs in sequence', () => {
  it('jobs in sequence start one after the other', async () => {
    const run = runScripted({ a: {}, b: {} }, { workflow: 'a b', results: { a: ok, b: ok } });
    const { jobs, failed } = await run.result;
    expect(run.events).to.deep.equal([
      'queued a',
      'started a 1',
      'ended a succeeded',
      'queued b',
      'started b 1',
      'ended b succeeded',
    ]);
    expect(failed).to.equal(undefined);
    expect(jobs.map(({ id, status, attempts, exitCode }) => ({ id, status, attempts, exitCode }))).to.deep.equal(
      ['a', 'b'].map((id) => ({ id, status: 'succeeded', attempts: 1, exitCode: 0 })),
    );
  });

  it('pin defect 1: all jobs after a failed job are skipped, and the pipeline fails', async () => {
    const run = runScripted({ a: {}, b: {}, c: {} }, { workflow: 'a b c', results: { a: [fails] } });
    expect(await statuses(run)).to.deep.equal({
      a: 'failed',
      b: 'skipped: upstream_failed',
      c: 'skipped: upstream_failed',
    });
    expect((await run.result).failed).to.deep.include({ id: 'a', exitCode: 1 });
    expect(run.events.slice(-2)).to.deep.equal(['skipped b upstream_failed a', 'skipped c upstream_failed a']);
  });

  it('pin defect 21: a skipped job emits an event at once', async () => {
    const run = runScripted(
      { a: {}, b: {} },
      { workflow: 'a b', conditionHolds: (job) => job !== 'a', results: { b: ok } },
    );
    expect(await statuses(run)).to.deep.equal({ a: 'skipped: condition', b: 'succeeded' });
    expect(run.events).to.include('skipped a condition');
  });

  it('jobs continue after a job that allows failure', async () => {
    const run = runScripted({ a: { allowFailure: true }, b: {} }, { workflow: 'a b', results: { a: [fails], b: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded' });
    expect((await run.result).failed).to.equal(undefined);
  });

  it('the condition of a job is evaluated once, just before its first attempt', async () => {
    const asked: string[] = [];
    const run = runScripted(
      { a: {}, b: { retry: { attempts: 2, delayMs: 0, backoff: 1, jitter: 0 } } },
      {
        workflow: 'a b',
        results: { b: [fails, succeeds] },
        conditionHolds: (job) => {
          asked.push(job);
          return true;
        },
      },
    );
    await waitUntil('job a runs', () => run.running.has('a'));
    expect(asked).to.deep.equal(['a']);
    await run.end('a');
    await waitUntil('job b waits for its next attempt', () => run.events.includes('retrying b 0'));
    run.endDelay();
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'succeeded' });
    expect(asked).to.deep.equal(['a', 'b']);
  });
});

describe('parallel jobs', () => {
  it('pin defect 3: parallel jobs start together, and the next job waits for all of them', async () => {
    const run = runScripted({ p1: parallel, p2: parallel, last: {} }, { workflow: 'p1 p2 last' });
    await run.end('p2');
    expect([...run.running]).to.deep.equal(['p1']);
    await run.end('p1');
    await run.end('last');
    expect(await statuses(run)).to.deep.equal({ p1: 'succeeded', p2: 'succeeded', last: 'succeeded' });
  });

  it('parallel jobs start in order, up to the limit', async () => {
    const run = runScripted({ a: parallel, b: parallel, c: parallel }, { workflow: 'a b c', maxParallel: 2 });
    await waitUntil('two jobs run', () => run.running.size === 2);
    expect(run.events).to.deep.equal(['queued a', 'queued b', 'queued c', 'started a 1', 'started b 1']);
    await run.end('b');
    await waitUntil('job c runs', () => run.running.has('c'));
    await run.end('a');
    await run.end('c');
    await run.result;
  });

  it('running parallel jobs finish when one fails, and jobs that have not started are skipped', async () => {
    const run = runScripted({ a: parallel, b: parallel, c: parallel }, { workflow: 'a b c', maxParallel: 2 });
    await run.end('a', fails);
    await run.end('b');
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded', c: 'skipped: upstream_failed' });
  });

  it('the result names the job that failed first', async () => {
    const run = runScripted({ a: parallel, b: parallel }, { workflow: 'a b' });
    await run.end('b', fails);
    await run.end('a', fails);
    expect((await run.result).failed?.id).to.equal('b');
  });
});

describe('a pipeline without failFast', () => {
  const jobs = { a: {}, b: { needs: ['a'] }, c: { needs: ['b'] }, x: {}, y: { needs: ['x'] } };

  it('without failFast only jobs that depend on the failed job, directly or not, are skipped', async () => {
    const run = runScripted(jobs, { failFast: false, results: { a: [fails], x: ok, y: ok } });
    expect(await statuses(run)).to.deep.equal({
      a: 'failed',
      x: 'succeeded',
      b: 'skipped: upstream_failed',
      y: 'succeeded',
      c: 'skipped: upstream_failed',
    });
    expect(run.events).to.include.members(['skipped b upstream_failed a', 'skipped c upstream_failed a']);
  });

  it('without failFast, jobs that wait for a failed job through a job with when: always are skipped', async () => {
    const run = runScripted(
      { a: {}, b: { needs: ['a'], when: 'always' }, c: { needs: ['b'] } },
      { failFast: false, results: { a: [fails], b: ok } },
    );
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded', c: 'skipped: upstream_failed' });
  });
});

describe('jobs with when: failure', () => {
  const jobs = { a: {}, b: {}, mend: { when: 'failure' }, clean: { when: 'always' }, after: {} } as const;
  const workflow = 'a b mend clean after';

  it('a job with when: failure runs after a failure', async () => {
    const run = runScripted(jobs, { workflow, results: { a: [fails], mend: ok, clean: ok } });
    expect(await statuses(run)).to.deep.equal({
      a: 'failed',
      b: 'skipped: upstream_failed',
      mend: 'succeeded',
      clean: 'succeeded',
      after: 'skipped: upstream_failed',
    });
  });

  it('a job with when: failure is skipped if nothing failed, and the skip does not count as a failure', async () => {
    const run = runScripted(jobs, { workflow, results: { a: ok, b: ok, clean: ok, after: ok } });
    expect(await statuses(run)).to.deep.equal({
      a: 'succeeded',
      b: 'succeeded',
      mend: 'skipped: nothing_failed',
      clean: 'succeeded',
      after: 'succeeded',
    });
  });

  it('a job with when: always also waits for the dependencies of its skipped dependencies', async () => {
    const run = runScripted(
      { p: parallel, q: parallel, b: {}, clean: { when: 'always' } },
      { workflow: 'p q b clean' },
    );
    await run.end('p', fails);
    expect([...run.running]).to.deep.equal(['q']);
    await run.end('q');
    await run.end('clean');
    expect(await statuses(run)).to.deep.equal({
      p: 'failed',
      q: 'succeeded',
      b: 'skipped: upstream_failed',
      clean: 'succeeded',
    });
  });

  it('a job with when: failure also evaluates its condition', async () => {
    const run = runScripted(
      { a: {}, mend: { when: 'failure' } },
      { workflow: 'a mend', results: { a: [fails] }, conditionHolds: (job) => job !== 'mend' },
    );
    expect(await statuses(run)).to.deep.equal({ a: 'failed', mend: 'skipped: condition' });
  });
});

describe('a job with retries', () => {
  const retry = { attempts: 3, delayMs: 1_000, backoff: 2, jitter: 0 };

  it('pin defect 2: a job after another job succeeds at its third attempt', async () => {
    const run = runScripted(
      { a: {}, b: { retry } },
      { workflow: 'a b', results: { a: ok, b: [fails, fails, succeeds] } },
    );
    await waitUntil('the job waits for its next attempt', () => run.events.includes('retrying b 1000'));
    run.endDelay();
    await waitUntil('the job waits for another attempt', () => run.events.includes('retrying b 2000'));
    run.endDelay();
    expect((await run.result).jobs[1]).to.deep.include({ id: 'b', status: 'succeeded', attempts: 3 });
    expect(run.events.slice(3)).to.deep.equal([
      'queued b',
      'started b 1',
      'retrying b 1000',
      'started b 2',
      'retrying b 2000',
      'started b 3',
      'ended b succeeded',
    ]);
  });

  it('a job fails only with its last attempt, and later jobs wait for that attempt', async () => {
    const run = runScripted(
      { a: { retry: { ...retry, attempts: 2 } }, b: {} },
      { workflow: 'a b', results: { a: [fails, fails] } },
    );
    await waitUntil('the job waits for its next attempt', () => run.events.includes('retrying a 1000'));
    expect(run.events).not.to.include('queued b');
    run.endDelay();
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'skipped: upstream_failed' });
  });

  it('a job that waits for its next attempt does not count towards the limit of parallel jobs', async () => {
    const run = runScripted(
      { a: { ...parallel, retry }, b: parallel },
      { workflow: 'a b', maxParallel: 1, results: { a: [fails, succeeds] } },
    );
    await waitUntil('job b runs', () => run.running.has('b'));
    run.endDelay();
    await run.end('b');
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'succeeded' });
  });

  it('a started job is retried even if another job fails meanwhile', async () => {
    const run = runScripted(
      { a: { ...parallel, retry }, b: parallel },
      { workflow: 'a b', results: { a: [fails, succeeds] } },
    );
    await run.end('b', fails);
    run.endDelay();
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'failed' });
  });
});

describe('a stopped pipeline', () => {
  it('stopping cancels running and retrying jobs, and skips the rest', async () => {
    const run = runScripted(
      {
        a: parallel,
        r: { ...parallel, retry: { attempts: 2, delayMs: 1, backoff: 1, jitter: 0 } },
        q: parallel,
        b: {},
      },
      { workflow: 'a r q b', maxParallel: 2, results: { r: [fails] } },
    );
    await waitUntil('job r waits for its next attempt', () => run.events.includes('retrying r 1'));
    await waitUntil('job q runs', () => run.running.has('q'));
    run.stop();
    expect(await statuses(run)).to.deep.equal({
      a: 'cancelled',
      r: 'cancelled',
      q: 'cancelled',
      b: 'skipped: cancelled',
    });
  });

  it('L8: a job with when: always starts after a stop, once the jobs before it have ended', async () => {
    const run = runScripted(
      { a: {}, b: {}, tidy: { when: 'always' }, report: { when: 'failure' }, last: { when: 'always' } },
      { workflow: 'a b tidy report last' },
    );
    await waitUntil('job a runs', () => run.running.has('a'));
    run.stop();
    await run.end('tidy');
    await run.end('last', fails);
    expect(await statuses(run)).to.deep.equal({
      a: 'cancelled',
      b: 'skipped: cancelled',
      tidy: 'succeeded',
      report: 'skipped: cancelled',
      last: 'failed',
    });
    expect(run.events.filter((event) => /^(started|ended|skipped)/.test(event))).to.deep.equal([
      'started a 1',
      'ended a cancelled',
      'skipped b cancelled',
      'started tidy 1',
      'ended tidy succeeded',
      'skipped report cancelled',
      'started last 1',
      'ended last failed',
    ]);
  });

  it('L8: a running job with when: always continues when the pipeline stops, and is retried', async () => {
    const run = runScripted(
      { tidy: { when: 'always', retry: { attempts: 2, delayMs: 7, backoff: 1, jitter: 0 } } },
      { workflow: 'tidy' },
    );
    await waitUntil('the job runs', () => run.running.has('tidy'));
    run.stop();
    await run.end('tidy', fails);
    await waitUntil('the job waits for its next attempt', () => run.events.includes('retrying tidy 7'));
    run.endDelay();
    await run.end('tidy');
    expect(await statuses(run)).to.deep.equal({ tidy: 'succeeded' });
  });

  it('L8: stopAll cancels running jobs with when: always, and skips the rest', async () => {
    const run = runScripted({ a: {}, tidy: { when: 'always' }, last: { when: 'always' } }, { workflow: 'a tidy last' });
    await waitUntil('job a runs', () => run.running.has('a'));
    run.stop();
    await waitUntil('the job with when: always runs', () => run.running.has('tidy'));
    run.stopAll();
    expect(await statuses(run)).to.deep.equal({ a: 'cancelled', tidy: 'cancelled', last: 'skipped: cancelled' });
  });

  it('L8: a job with when: always runs even if the end of another job was not observed', async () => {
    const run = runScripted({ a: {}, b: {}, tidy: { when: 'always' } }, { workflow: 'a b tidy' });
    await run.reject('a', new WorkLost('the engine went away'));
    await run.end('tidy');
    expect(await expectRejection(run.result)).to.be.instanceOf(WorkLost);
    expect(run.events).to.include.members(['ended a failed', 'skipped b cancelled', 'ended tidy succeeded']);
  });

  it('a pipeline stopped before its start starts nothing', async () => {
    const run = runScripted({ a: {}, b: {} }, { workflow: 'a b' });
    run.stop();
    await run.result;
    expect(run.events).not.to.include('ended a succeeded');
  });

  it('a lost attempt stops the pipeline, which rejects after all other attempts have ended', async () => {
    const run = runScripted({ a: parallel, b: parallel, c: {} }, { workflow: 'a b c' });
    await run.reject('a', new WorkLost('the engine went away'));
    expect(await expectRejection(run.result)).to.be.instanceOf(WorkLost);
    expect(run.events).to.include.members(['ended a failed', 'ended b cancelled', 'skipped c cancelled']);
  });

  it('an internal error in an attempt rejects the pipeline, and no job keeps running', async () => {
    const run = runScripted({ a: {} }, {});
    await run.reject('a', new TypeError('x is not a function'));
    expect((await expectRejection(run.result)).message).to.equal('x is not a function');
    expect(run.running.size).to.equal(0);
  });
});
