// The scheduler: who is started when, and what follows from how jobs end.

import { expect } from 'chai';
import { WorkLost } from '../../../calls/contract/engines.ts';
import { failureOf } from '../../docker/setup.ts';
import { until } from '../../helpers/until.ts';
import { fails, scripted, succeeds, type Scripted } from './scripted.ts';

const parallel = { parallel: true } as const;
const ok = [succeeds];

function statuses({ driven }: Scripted): Promise<Readonly<Record<string, string>>> {
  return driven.then(({ jobs }) => Object.fromEntries(jobs.map(({ id, status, reason }) => [id, reason === undefined ? status : `${status}: ${reason}`])));
}

describe('jobs in a row', () => {
  it('start one after the other', async () => {
    const run = scripted({ a: {}, b: {} }, { workflow: 'a b', ends: { a: ok, b: ok } });
    const { jobs, failed } = await run.driven;
    expect(run.told).to.deep.equal(['queued a', 'started a 1', 'ended a succeeded', 'queued b', 'started b 1', 'ended b succeeded']);
    expect(failed).to.equal(undefined);
    expect(jobs.map(({ id, status, attempts, exitCode }) => ({ id, status, attempts, exitCode }))).to.deep.equal(
      ['a', 'b'].map((id) => ({ id, status: 'succeeded', attempts: 1, exitCode: 0 })));
  });

  it('pin defect 1: are all skipped behind one that failed, and the pipeline has failed', async () => {
    const run = scripted({ a: {}, b: {}, c: {} }, { workflow: 'a b c', ends: { a: [fails] } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'skipped: upstream_failed', c: 'skipped: upstream_failed' });
    expect((await run.driven).failed).to.deep.include({ id: 'a', exitCode: 1 });
    expect(run.told.slice(-2)).to.deep.equal(['skipped b upstream_failed a', 'skipped c upstream_failed a']);
  });

  it('pin defect 21: are told when they are skipped', async () => {
    const run = scripted({ a: {}, b: {} }, { workflow: 'a b', holds: (job) => job !== 'a', ends: { b: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'skipped: condition', b: 'succeeded' });
    expect(run.told).to.include('skipped a condition');
  });

  it('go on behind one that may fail', async () => {
    const run = scripted({ a: { allowFailure: true }, b: {} }, { workflow: 'a b', ends: { a: [fails], b: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded' });
    expect((await run.driven).failed).to.equal(undefined);
  });

  it('ask for the condition of a job when it is about to start, once, whatever its tries', async () => {
    const asked: string[] = [];
    const run = scripted({ a: {}, b: { retry: { attempts: 2, delayMs: 0, backoff: 1, jitter: 0 } } }, {
      workflow: 'a b', ends: { b: [fails, succeeds] }, holds: (job) => { asked.push(job); return true; },
    });
    await until('a runs', () => run.running.has('a'));
    expect(asked).to.deep.equal(['a']);
    await run.end('a');
    await until('b waits', () => run.told.includes('retrying b 0'));
    run.waited();
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'succeeded' });
    expect(asked).to.deep.equal(['a', 'b']);
  });
});

describe('jobs side by side', () => {
  it('pin defect 3: start together, and what follows waits for every one', async () => {
    const run = scripted({ p1: parallel, p2: parallel, last: {} }, { workflow: 'p1 p2 last' });
    await run.end('p2');
    expect([...run.running]).to.deep.equal(['p1']);
    await run.end('p1');
    await run.end('last');
    expect(await statuses(run)).to.deep.equal({ p1: 'succeeded', p2: 'succeeded', last: 'succeeded' });
  });

  it('are no more than there may be at once, in their order', async () => {
    const run = scripted({ a: parallel, b: parallel, c: parallel }, { workflow: 'a b c', width: 2 });
    await until('two run', () => run.running.size === 2);
    expect(run.told).to.deep.equal(['queued a', 'queued b', 'queued c', 'started a 1', 'started b 1']);
    await run.end('b');
    await until('c runs', () => run.running.has('c'));
    await run.end('a');
    await run.end('c');
    await run.driven;
  });

  it('finish when one of them fails, and those that have not begun are skipped', async () => {
    const run = scripted({ a: parallel, b: parallel, c: parallel }, { workflow: 'a b c', width: 2 });
    await run.end('a', fails);
    await run.end('b');
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded', c: 'skipped: upstream_failed' });
  });

  it('name the one that failed first', async () => {
    const run = scripted({ a: parallel, b: parallel }, { workflow: 'a b' });
    await run.end('b', fails);
    await run.end('a', fails);
    expect((await run.driven).failed?.id).to.equal('b');
  });
});

describe('a pipeline that does not fail fast', () => {
  const jobs = { a: {}, b: { needs: ['a'] }, c: { needs: ['b'] }, x: {}, y: { needs: ['x'] } };

  it('skips only who waits for the one that failed, directly or not', async () => {
    const run = scripted(jobs, { failFast: false, ends: { a: [fails], x: ok, y: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', x: 'succeeded', b: 'skipped: upstream_failed', y: 'succeeded', c: 'skipped: upstream_failed' });
    expect(run.told).to.include.members(['skipped b upstream_failed a', 'skipped c upstream_failed a']);
  });

  it('skips behind a job that runs in any case, too', async () => {
    const run = scripted({ a: {}, b: { needs: ['a'], when: 'always' }, c: { needs: ['b'] } }, { failFast: false, ends: { a: [fails], b: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'succeeded', c: 'skipped: upstream_failed' });
  });
});

describe('jobs for the case of a failure', () => {
  const jobs = { a: {}, b: {}, mend: { when: 'failure' }, clean: { when: 'always' }, after: {} } as const;
  const workflow = 'a b mend clean after';

  it('run when one has failed', async () => {
    const run = scripted(jobs, { workflow, ends: { a: [fails], mend: ok, clean: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'skipped: upstream_failed', mend: 'succeeded', clean: 'succeeded', after: 'skipped: upstream_failed' });
  });

  it('are skipped when none has, which is no failure', async () => {
    const run = scripted(jobs, { workflow, ends: { a: ok, b: ok, clean: ok, after: ok } });
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'succeeded', mend: 'skipped: nothing_failed', clean: 'succeeded', after: 'succeeded' });
  });

  it('wait for all that those before them waited for, though these are skipped', async () => {
    const run = scripted({ p: parallel, q: parallel, b: {}, clean: { when: 'always' } }, { workflow: 'p q b clean' });
    await run.end('p', fails);
    expect([...run.running]).to.deep.equal(['q']);
    await run.end('q');
    await run.end('clean');
    expect(await statuses(run)).to.deep.equal({ p: 'failed', q: 'succeeded', b: 'skipped: upstream_failed', clean: 'succeeded' });
  });

  it('are looked at for their condition, too', async () => {
    const run = scripted({ a: {}, mend: { when: 'failure' } }, { workflow: 'a mend', ends: { a: [fails] }, holds: (job) => job !== 'mend' });
    expect(await statuses(run)).to.deep.equal({ a: 'failed', mend: 'skipped: condition' });
  });
});

describe('a job that is tried again', () => {
  const retry = { attempts: 3, delayMs: 1_000, backoff: 2, jitter: 0 };

  it('pin defect 2: behind another job: succeeds at the third try', async () => {
    const run = scripted({ a: {}, b: { retry } }, { workflow: 'a b', ends: { a: ok, b: [fails, fails, succeeds] } });
    await until('it waits', () => run.told.includes('retrying b 1000'));
    run.waited();
    await until('it waits again', () => run.told.includes('retrying b 2000'));
    run.waited();
    expect((await run.driven).jobs[1]).to.deep.include({ id: 'b', status: 'succeeded', attempts: 3 });
    expect(run.told.slice(3)).to.deep.equal(['queued b', 'started b 1', 'retrying b 1000', 'started b 2', 'retrying b 2000', 'started b 3', 'ended b succeeded']);
  });

  it('fails with the last try, and those behind it wait for that', async () => {
    const run = scripted({ a: { retry: { ...retry, attempts: 2 } }, b: {} }, { workflow: 'a b', ends: { a: [fails, fails] } });
    await until('it waits', () => run.told.includes('retrying a 1000'));
    expect(run.told).not.to.include('queued b');
    run.waited();
    expect(await statuses(run)).to.deep.equal({ a: 'failed', b: 'skipped: upstream_failed' });
  });

  it('leaves its place to others while it waits', async () => {
    const run = scripted({ a: { ...parallel, retry }, b: parallel }, { workflow: 'a b', width: 1, ends: { a: [fails, succeeds] } });
    await until('b runs', () => run.running.has('b'));
    run.waited();
    await run.end('b');
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'succeeded' });
  });

  it('goes on although another one fails meanwhile: it has begun', async () => {
    const run = scripted({ a: { ...parallel, retry }, b: parallel }, { workflow: 'a b', ends: { a: [fails, succeeds] } });
    await run.end('b', fails);
    run.waited();
    expect(await statuses(run)).to.deep.equal({ a: 'succeeded', b: 'failed' });
  });
});

describe('a pipeline that is stopped', () => {
  it('cancels what runs and what waits to be tried again, and skips the rest', async () => {
    const run = scripted(
      { a: parallel, r: { ...parallel, retry: { attempts: 2, delayMs: 1, backoff: 1, jitter: 0 } }, q: parallel, b: {}, clean: { when: 'always' } },
      { workflow: 'a r q b clean', width: 2, ends: { r: [fails] } });
    await until('r waits', () => run.told.includes('retrying r 1'));
    await until('q has its place', () => run.running.has('q'));
    run.stop();
    expect(await statuses(run)).to.deep.equal({ a: 'cancelled', r: 'cancelled', q: 'cancelled', b: 'skipped: cancelled', clean: 'skipped: cancelled' });
  });

  it('starts nothing when it was stopped before', async () => {
    const run = scripted({ a: {}, b: {} }, { workflow: 'a b' });
    run.stop();
    await run.driven;
    expect(run.told).not.to.include('ended a succeeded');
  });

  it('stops when the end of a job was not seen, and says so when all others are over', async () => {
    const run = scripted({ a: parallel, b: parallel, c: {} }, { workflow: 'a b c' });
    await run.lose('a', new WorkLost('the engine went away'));
    expect(await failureOf(run.driven)).to.be.instanceOf(WorkLost);
    expect(run.told).to.include.members(['ended a failed', 'ended b cancelled', 'skipped c cancelled']);
  });

  it('does not tell the words of our own mistakes', async () => {
    const run = scripted({ a: {} }, {});
    await run.lose('a', new TypeError('x is not a function'));
    expect((await failureOf(run.driven)).message).to.equal('x is not a function');
    expect(run.running.size).to.equal(0);
  });
});
