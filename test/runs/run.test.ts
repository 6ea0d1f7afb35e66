import { expect } from 'chai';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../calls/contract/call.ts';
import type { Context } from '../../calls/contract/context.ts';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { RunRecord, StopReason } from '../../protocol/record.ts';
import { Refusal } from '../../server/runs/refusal.ts';
import type { RunStore } from '../../server/runs/store.ts';
import { begun, caller, code, program, stopped, withHeart, type Heart } from './heart.ts';
import { until } from '../helpers/until.ts';

/** How a run of `body` ends by itself. */
async function endOf(body: Call['body'], check: (record: RunRecord, heart: Heart) => void): Promise<void> {
  await withHeart([code('it', body)], async (heart) => {
    check(await heart.start('it').ended, heart);
  });
}

const secret = 'very secret text';

describe('a run', () => {
  it('goes from queued to running to ended, tells each change, and is stored as told', () => withHeart([code('it', async () => ({}))], async ({ runs, store, start }) => {
    const run = start('it');
    const told: string[] = [run.record.state];
    run.onState(({ state }) => told.push(state));
    const record = await run.ended;
    expect(told).to.deep.equal(['queued', 'running', 'ended']);
    expect(record).to.deep.include({ call: 'it', caller: 'ada', node: 'test', state: 'ended', outcome: 'succeeded', cleanup: { clean: true, released: [], left: [] } });
    expect(store.get(run.id)).to.deep.equal(record);
    expect(runs.get(run.id)).to.deep.equal(record);
    expect(Date.parse(record.queuedAt)).to.be.at.most(Date.parse(record.startedAt!));
    expect(record.endedAt).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }));

  it('is never stored with more output than its log has on the disk', () => withHeart([code('it', async ({ output, signal }) => {
    output.write('stdout', Buffer.from('one\n'));
    await stopped(signal);
    return {};
  })], async ({ store, start }) => {
    const run = start('it');
    await begun(run);
    run.stop('cancelled');
    expect([run.record.lines, store.get(run.id)!.lines]).to.deep.equal([1, 0]);
    expect((await run.ended).lines).to.equal(1);
    expect(store.get(run.id)!.lines).to.equal(1);
  }));

  describe('that comes to its end by itself', () => {
    const ends: readonly [string, Call['body'], Partial<RunRecord>][] = [
      ['succeeds with nothing returned', async () => ({}), { outcome: 'succeeded' }],
      ['succeeds with exit code 0', async () => ({ exitCode: 0 }), { outcome: 'succeeded', exitCode: 0 }],
      ['fails for the reason it gives, whatever its exit code is', async () => ({ exitCode: 0, failure: 'job "build" failed', value: { jobs: [] } }), { outcome: 'failed', exitCode: 0, message: 'job "build" failed' }],
      ['fails for the reason it gives in place of its exit code', async () => ({ exitCode: 3, oomKilled: true, failure: 'job "build" failed' }), { outcome: 'failed', exitCode: 3, message: 'job "build" failed' }],
      ['fails with another exit code', async () => ({ exitCode: 3 }), { outcome: 'failed', exitCode: 3, message: 'exited with code 3' }],
      ['fails by a signal', async () => ({ signal: 'SIGSEGV' }), { outcome: 'failed', signal: 'SIGSEGV', message: 'ended by SIGSEGV' }],
      ['fails by want of memory', async () => ({ signal: 'SIGKILL', oomKilled: true }), { outcome: 'failed', message: 'out of memory: ended by SIGKILL' }],
      ['succeeds although a part ran out of memory', async () => ({ exitCode: 0, oomKilled: true }), { outcome: 'succeeded', message: 'a part of it ran out of memory and was killed' }],
      ['fails in its own words', () => Promise.reject(new WorkFailed('no such bucket')), { outcome: 'failed', message: 'no such bucket' }],
      ['is unknown when its end was not seen', () => Promise.reject(new WorkLost('the engine went away')), { outcome: 'unknown', message: 'the engine went away' }],
      ['fails by a mistake of ours', () => Promise.reject(new Error(secret)), { outcome: 'failed', message: 'unknown error' }],
      ['fails by a mistake at once', () => { throw new TypeError(secret); }, { outcome: 'failed', message: 'unknown error' }],
    ];
    for (const [title, body, expected] of ends) {
      it(title, () => endOf(body, (record) => {
        expect(record).to.deep.include({ state: 'ended', ...expected });
        expect(record.message).to.equal(expected.message);
      }));
    }

    it('says nothing of a mistake of ours but to the log', () => endOf(() => Promise.reject(new Error(secret)), (record, heart) => {
      expect(JSON.stringify(record)).not.to.contain(secret);
      expect(heart.logged()).to.contain(secret);
    }));
  });

  describe('that is stopped', () => {
    const outcomes: Readonly<Record<StopReason, [string, string]>> = {
      'cancelled': ['cancelled', 'cancelled: client requested cancellation'],
      'disconnected': ['cancelled', 'cancelled: client disconnected'],
      'timed-out': ['timed-out', 'timed out'],
      'shutdown': ['cancelled', 'cancelled: server is shutting down'],
      'protocol': ['cancelled', 'cancelled: protocol error'],
      'storage': ['failed', 'the output could not be stored'],
    };
    const reasons = Object.keys(outcomes) as StopReason[];
    const bodies: readonly [string, Call['body'], object][] = [
      ['returns', async ({ signal }) => { await stopped(signal); return {}; }, {}],
      ['returns an exit code', async ({ signal }) => { await stopped(signal); return { exitCode: 143 }; }, { exitCode: 143 }],
      ['fails', async ({ signal }) => { await stopped(signal); throw new WorkFailed('was stopped'); }, {}],
      ['throws', async ({ signal }) => { await stopped(signal); throw new Error('anything'); }, {}],
      ['never returns', () => new Promise(() => {}), {}],
    ];
    for (const [title, body, exit] of bodies) {
      it(`has the outcome of its first reason when its body then ${title}`, () => withHeart([code('it', body)], async ({ start, logged }) => {
        await Promise.all(reasons.map(async (reason) => {
          const run = start('it');
          const states: string[] = [];
          await begun(run);
          run.onState(({ state }) => states.push(state));
          run.stop(reason);
          for (const later of reasons) run.stop(later, 'too late');
          run.hurry();
          const record = await run.ended;
          const [outcome, message] = outcomes[reason];
          expect(record).to.deep.include({ outcome, message, ...exit });
          expect(states).to.deep.equal(['cancelling', 'ended']);
          expect(record.cleanup?.clean).to.equal(title !== 'never returns');
        }));
        expect(logged()).not.to.contain('mistake of ours');
      }));
    }

    it('tells its body the reason, and what was said in place of it', () => {
      const seen: unknown[] = [];
      return withHeart([code('it', async ({ signal }) => { await stopped(signal); seen.push(signal.reason); return {}; })], async ({ start }) => {
        const run = start('it');
        await begun(run);
        run.stop('protocol', 'cancelled: input buffer overflow');
        expect((await run.ended).message).to.equal('cancelled: input buffer overflow');
        expect(seen).to.deep.equal(['protocol']);
      });
    });

    it('after its body has ended keeps its outcome: its stragglers only end sooner', () => {
      const straggler = 'setsid sh -c "trap \'\' TERM; echo on; sleep 1000" > /dev/null 2>&1 < /dev/null & sleep 0.2';
      const call = program('it', ['bash', '-c', straggler], { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      return withHeart([call], async ({ start, logged }) => {
        const run = start('it');
        await until('its straggler is being ended', () => logged().includes('ending processes'));
        run.stop('cancelled');
        const record = await run.ended;
        expect(record).to.deep.include({ outcome: 'succeeded', exitCode: 0 });
        expect(record.cleanup?.released.map(({ how }) => how)).to.deep.equal(['SIGKILL']);
      });
    });

    it('at its time limit is told so, with the limit', () => withHeart([code('it', () => new Promise(() => {}), { timeoutMs: 30 })], async ({ start }) => {
      expect(await start('it').ended).to.deep.include({ outcome: 'timed-out', message: 'timed out after 30ms' });
    }));

    it('is left when its code does not listen, and its receipt says so', () => withHeart([code('it', () => new Promise(() => {}))], async ({ start }) => {
      const run = start('it');
      await begun(run);
      const began = performance.now();
      run.stop('cancelled');
      const record = await run.ended;
      expect(record.cleanup).to.deep.equal({ clean: false, released: [], left: [{ kind: 'deferred', id: 'body', why: 'the code of the call did not return after it was stopped' }] });
      expect(performance.now() - began).to.be.above(145);
    }));

    it('is not waited for through its grace when it is hurried', () => {
      const slow = code('it', () => new Promise(() => {}), { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      return withHeart([slow], async ({ start }) => {
        const run = start('it');
        await begun(run);
        run.stop('cancelled');
        run.hurry();
        expect((await run.ended).outcome).to.equal('cancelled');
      });
    });
  });

  describe('of code', () => {
    it('hands over the value it returned', () => withHeart([code('it', async () => ({ value: { answer: 42 } }))], async ({ start }) => {
      const run = start('it');
      await run.ended;
      expect(run.value).to.deep.equal({ answer: 42 });
    }));

    it('writes lines and events', () => withHeart([code('it', async ({ output, events }) => {
      output.write('stdout', Buffer.from('one\ntwo'));
      events.emit('step', { n: 1 });
      return {};
    })], async ({ start, runs }) => {
      const run = start('it');
      const record = await run.ended;
      expect(record).to.deep.include({ lines: 2, bytes: 8 });
      expect(await runs.lines(run.id, { after: 0, limit: 10, bytesMax: 1000 })).to.deep.equal({ lines: ['one', 'two'], next: 2, ended: true });
    }));

    it('does deferred work after the body, last in first out, whether it ended by itself, was stopped, or was left', async () => {
      const done: string[] = [];
      const deferring = (name: string, rest: (context: Context) => Promise<void>) => code(name, async (context) => {
        context.defer('first', () => void done.push('first'));
        context.defer('second', async () => { await Promise.resolve(); done.push('second'); });
        await rest(context);
        done.push('body');
        return {};
      });
      const calls = [
        deferring('ends', async () => {}),
        deferring('stops', async ({ signal }) => { await stopped(signal); await new Promise((resolve) => setImmediate(resolve)); }),
        deferring('stays', () => new Promise(() => {})),
      ];
      await withHeart(calls, async ({ start }) => {
        for (const [name, order] of [['ends', ['body', 'second', 'first']], ['stops', ['body', 'second', 'first']], ['stays', ['second', 'first']]] as const) {
          done.length = 0;
          const run = start(name);
          if (name !== 'ends') await begun(run).then(() => run.stop('cancelled'));
          const { cleanup } = await run.ended;
          expect(done, name).to.deep.equal(order);
          expect(cleanup?.released.map(({ kind, id, how }) => [kind, id, how])).to.deep.equal([['deferred', 'second', 'done'], ['deferred', 'first', 'done']]);
        }
      });
    });

    it('can start and defer nothing once it is over', async () => {
      const kept: { context?: Context } = {};
      await withHeart([code('it', async (context) => { kept.context = context; return {}; })], async ({ start, store }) => {
        const run = start('it');
        await run.ended;
        const late = await kept.context!.engines.process({ argv: ['sleep', '100'] }).catch((error: unknown) => error);
        expect(late).to.be.instanceOf(WorkFailed);
        expect(() => kept.context!.defer('late', () => {})).to.throw(WorkFailed, 'the run is over');
        kept.context!.output.write('stdout', Buffer.from('late\n'));
        kept.context!.events.emit('late');
        expect(store.open(run.id)).to.deep.equal([]);
        expect(store.get(run.id)).to.deep.include({ lines: 0 });
      });
    });
  });

  describe('of a process', () => {
    it('passes input on, tells both streams, and ends with the exit code', () => withHeart([program('it', ['sh', '-c', 'read line; echo "got $line"; echo no >&2; exit 7'])], async ({ start, runs }) => {
      const run = start('it');
      run.input.push(Buffer.from('hello\n'));
      expect(await run.ended).to.deep.include({ outcome: 'failed', exitCode: 7, lines: 2 });
      expect([...(await runs.lines(run.id, { after: 0, limit: 10, bytesMax: 1000 })).lines].sort()).to.deep.equal(['got hello', 'no']);
    }));

    it('that is cancelled ends it, and says how in the receipt', () => withHeart([program('it', ['sleep', '1000'])], async ({ start, store }) => {
      const run = start('it');
      await until('it is there', () => store.open(run.id)[0]?.facts['pid'] !== undefined);
      run.stop('cancelled');
      const { outcome, cleanup } = await run.ended;
      expect(outcome).to.equal('cancelled');
      expect(cleanup).to.deep.include({ clean: true, left: [] });
      expect(cleanup?.released.map(({ kind, how }) => [kind, how])).to.deep.equal([['process', 'SIGTERM']]);
      expect(store.open(run.id)).to.deep.equal([]);
    }));
  });
});

describe('a run whose store refuses', () => {
  const full = () => { throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }); };
  /** A store that refuses to write while `is.full`. */
  const refusing = (is: { full: boolean }) => (store: RunStore): RunStore => ({
    ...store,
    admit: async (record, facts) => (is.full ? full() : store.admit(record, facts)),
    update: (record) => (is.full ? full() : store.update(record)),
    journal: (entry) => (is.full ? full() : store.journal(entry)),
    strike: (entry) => (is.full ? full() : store.strike(entry)),
  });

  it('ends all the same, is known as ended, and is stored when that is possible again', async () => {
    const is = { full: false };
    await withHeart([program('it', ['sleep', '1000'])], async ({ start, runs, store }) => {
      const run = start('it');
      await until('it is there', () => store.open(run.id)[0]?.facts['pid'] !== undefined);
      is.full = true;
      run.stop('cancelled');
      const record = await run.ended;
      expect(record).to.deep.include({ outcome: 'cancelled' });
      expect(record.cleanup?.clean).to.equal(true);
      expect(store.get(run.id)?.state).not.to.equal('ended');
      expect(runs.get(run.id)).to.deep.equal(record);
      expect(runs.list({ limit: 5 }).runs).to.deep.equal([record]);
      expect(runs.countByState()).to.deep.equal({ ended: 1 });
      is.full = false;
      await until('it is stored', () => store.get(run.id)?.state === 'ended');
      expect(store.get(run.id)).to.deep.equal(record);
      expect(await runs.lines(run.id, { after: 0, limit: 5, bytesMax: 100 })).to.deep.equal({ lines: [], next: 0, ended: true });
    }, { store: refusing(is) });
  });

  it('is stored at the latest when the runs are stopped', async () => {
    const is = { full: false };
    await withHeart([code('it', async () => { is.full = true; return {}; })], async ({ start, runs, store }) => {
      const run = start('it');
      await run.ended;
      is.full = false;
      await runs.stopAll('shutdown');
      expect(store.get(run.id)?.outcome).to.equal('succeeded');
    }, { store: refusing(is) });
  });

  it('starts nothing that it cannot write down, and says why', async () => {
    const is = { full: false };
    await withHeart([code('it', async ({ engines }) => { is.full = true; return engines.process({ argv: ['true'] }); })], async ({ start, logged }) => {
      const record = await start('it').ended;
      expect(record).to.deep.include({ outcome: 'failed', message: 'what the call starts cannot be written down, so it is not started: no space left on the disk' });
      expect(logged()).to.contain('an obligation cannot be journaled');
    }, { store: refusing(is) });
  });

  it('that cannot be stored as started is not, and says why', async () => {
    const is = { full: false };
    let began = false;
    await withHeart([code('it', async () => { began = true; return {}; })], async ({ start }) => {
      const run = start('it');
      is.full = true;
      expect(await run.ended).to.deep.include({ outcome: 'failed', message: 'the run cannot be stored as started, so it was not: no space left on the disk' });
      expect(began).to.equal(false);
    }, { store: refusing(is) });
  });

  it('is refused when it cannot be stored to begin with, and leaves nothing', async () => {
    const is = { full: true };
    let began = false;
    await withHeart([code('it', async () => { began = true; return {}; })], async ({ start, runs }) => {
      const run = start('it');
      const message = 'the run cannot be stored: no space left on the disk';
      expect(await run.kept.catch((error: unknown) => error)).to.be.instanceOf(Refusal).and.to.have.property('message', message);
      expect(await run.ended).to.deep.include({ outcome: 'rejected', message });
      expect(runs.list({ limit: 5 }).runs).to.deep.equal([]);
      expect(runs.get(run.id)).to.equal(undefined);
      expect(began).to.equal(false);
    }, { store: refusing(is) });
  });

  it('tells each listener, whatever another one throws', () => withHeart([code('it', async ({ signal }) => { await stopped(signal); return {}; })], async ({ start, logged }) => {
    const run = start('it');
    const told: string[] = [];
    run.onState(() => { throw new Error('deaf'); });
    run.onState(({ state }) => told.push(state));
    run.stop('cancelled');
    expect((await run.ended).outcome).to.equal('cancelled');
    expect(told).to.deep.equal(['cancelling', 'ended']);
    expect(logged()).to.contain('deaf');
  }));
});

describe('runs', () => {
  it('are listed newest first, page by page', () => withHeart([code('it', async () => ({}))], async ({ start, runs }) => {
    const ids = [start('it'), start('it'), start('it')].map(({ id }) => id).reverse();
    const first = runs.list({ limit: 2 });
    expect(first.runs.map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
    expect(first.next).to.equal(ids[1]);
    expect(runs.list({ limit: 2, before: first.next! })).to.have.all.keys('runs');
    expect(runs.list({ limit: 3 })).to.have.all.keys('runs');
  }));

  it('have ids of their own, or the one asked for, once', () => withHeart([code('it', async () => ({}))], async ({ runs }) => {
    const { run } = runs.start({ call: 'it', params: [], caller, id: 'mine' });
    expect(run.id).to.equal('mine');
    expect(runs.start({ call: 'it', params: [], caller }).run.id).to.match(/^[a-z2-7]{16}$/);
    await run.ended;
  }));

  it('of unknown calls and wrong params are refused', () => withHeart([code('greet', async () => ({}))], async ({ start }) => {
    expect(() => start('gret')).to.throw('no such call "gret"; did you mean "greet"?');
    expect(() => start('a\nb')).to.throw('no such call "a\\nb"');
    expect(() => start('greet', ['too many'])).to.throw();
  }));

  it('whose folder cannot be made fail when they print something, and have no lines', () => withHeart([program('it', ['echo', 'lost'])], async ({ runs }, folder) => {
    writeFileSync(join(folder, 'runs', 'mine'), '');
    const record = await runs.start({ call: 'it', params: [], caller, id: 'mine' }).run.ended;
    expect(record).to.deep.include({ state: 'ended', outcome: 'failed', message: 'the output could not be stored: the disk refused it', lines: 0 });
    rmSync(join(folder, 'runs', 'mine'));
    expect(await runs.lines('mine', { after: 0, limit: 5, bytesMax: 100 })).to.deep.equal({ lines: [], next: 0, ended: true });
  }));

  it('are all ended when they are stopped, and no more are started', () => withHeart([program('it', ['sleep', '1000'])], async ({ start, runs, store }, folder) => {
    const started = [start('it'), start('it')];
    await Promise.all(started.map(begun));
    await runs.stopAll('shutdown');
    for (const run of started) expect(store.get(run.id)).to.deep.include({ state: 'ended', outcome: 'cancelled', message: 'cancelled: server is shutting down' });
    expect(() => start('it')).to.throw('server is shutting down');
    // Nothing was printed, and nothing was opened for it.
    expect(existsSync(join(folder, 'runs', started[0]!.id))).to.equal(false);
  }));
});
