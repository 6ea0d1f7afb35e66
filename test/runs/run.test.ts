// Tests the life of a run: its states, outcomes, receipts, and a store that rejects writes.

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { Context } from '../../calls/contract/context.ts';
import { WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { RunRecord, StopReason } from '../../protocol/run-record.ts';
import { RunRejected } from '../../server/runs/rejection.ts';
import type { RunStore } from '../../server/runs/store/store.ts';
import { deferred } from '../../server/support/deferred.ts';
import {
  caller,
  codeCall,
  processCall,
  type TestRuns,
  waitForAbort,
  waitUntilStarted,
  withTestRuns,
} from '../helpers/runs/test-runs.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** Runs `body` until it ends by itself, and checks the record. */
async function runAndCheck(body: Call['body'], check: (record: RunRecord, testRuns: TestRuns) => void): Promise<void> {
  await withTestRuns([codeCall('it', body)], async (testRuns) => {
    check(await testRuns.start('it').ended, testRuns);
  });
}

const secret = 'very secret text';

describe('a run', () => {
  it('a run goes from queued to running to ended, reports each change, and is stored as reported', () =>
    withTestRuns([codeCall('it', async () => ({}))], async ({ runs, store, start }) => {
      const run = start('it');
      const received: string[] = [run.record.state];
      run.onState(({ state }) => received.push(state));
      const record = await run.ended;
      expect(received).to.deep.equal(['queued', 'running', 'ended']);
      expect(record).to.deep.include({
        call: 'it',
        caller: 'ada',
        node: 'test',
        state: 'ended',
        outcome: 'succeeded',
        cleanup: { clean: true, released: [], left: [] },
      });
      expect(store.get(run.id)).to.deep.equal(record);
      expect(runs.get(run.id)).to.deep.equal(record);
      expect(Date.parse(record.queuedAt)).to.be.at.most(Date.parse(record.startedAt!));
      expect(record.endedAt).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }));

  it('the record of a run never counts output that its log does not have on disk', () =>
    withTestRuns(
      [
        codeCall('it', async ({ output, signal }) => {
          output.write('stdout', Buffer.from('one\n'));
          await waitForAbort(signal);
          return {};
        }),
      ],
      async ({ store, start }) => {
        const run = start('it');
        await waitUntil('the line is in the log', () => run.record.lines === 1);
        run.stop('cancelled');
        expect([run.record.lines, store.get(run.id)!.lines]).to.deep.equal([1, 0]);
        expect((await run.ended).lines).to.equal(1);
        expect(store.get(run.id)!.lines).to.equal(1);
      },
    ));

  describe('a run that ends by itself', () => {
    const ends: readonly [string, Call['body'], Partial<RunRecord>][] = [
      ['succeeds with nothing returned', async () => ({}), { outcome: 'succeeded' }],
      ['succeeds with exit code 0', async () => ({ exitCode: 0 }), { outcome: 'succeeded', exitCode: 0 }],
      [
        'fails for the reason it gives, whatever its exit code is',
        async () => ({ exitCode: 0, failure: 'job "build" failed', value: { jobs: [] } }),
        { outcome: 'failed', exitCode: 0, message: 'job "build" failed' },
      ],
      [
        'fails for the reason it gives in place of its exit code',
        async () => ({ exitCode: 3, oomKilled: true, failure: 'job "build" failed' }),
        { outcome: 'failed', exitCode: 3, message: 'job "build" failed' },
      ],
      [
        'fails with another exit code',
        async () => ({ exitCode: 3 }),
        { outcome: 'failed', exitCode: 3, message: 'exited with code 3' },
      ],
      [
        'fails by a signal',
        async () => ({ signal: 'SIGSEGV' }),
        { outcome: 'failed', signal: 'SIGSEGV', message: 'ended by SIGSEGV' },
      ],
      [
        'fails because it runs out of memory',
        async () => ({ signal: 'SIGKILL', oomKilled: true }),
        { outcome: 'failed', message: 'out of memory: ended by SIGKILL' },
      ],
      [
        'succeeds although a part ran out of memory',
        async () => ({ exitCode: 0, oomKilled: true }),
        { outcome: 'succeeded', message: 'part of the work ran out of memory and was killed' },
      ],
      [
        'fails with the message of its error',
        () => Promise.reject(new WorkFailed('no such bucket')),
        { outcome: 'failed', message: 'no such bucket' },
      ],
      [
        'is unknown if its exit status was lost',
        () => Promise.reject(new WorkLost('the engine went away')),
        { outcome: 'unknown', message: 'the engine went away' },
      ],
      [
        'fails because of an error in the gateway',
        () => Promise.reject(new Error(secret)),
        { outcome: 'failed', message: 'unknown error' },
      ],
      [
        'fails because of an immediate error in the gateway',
        () => {
          throw new TypeError(secret);
        },
        { outcome: 'failed', message: 'unknown error' },
      ],
    ];
    for (const [title, body, expected] of ends) {
      it(`a run of code ${title}`, () =>
        runAndCheck(body, (record) => {
          expect(record).to.deep.include({ state: 'ended', ...expected });
          expect(record.message).to.equal(expected.message);
        }));
    }

    it('a run logs an error of the gateway and hides it from the caller', () =>
      runAndCheck(
        () => Promise.reject(new Error(secret)),
        (record, testRuns) => {
          expect(JSON.stringify(record)).not.to.contain(secret);
          expect(testRuns.logged()).to.contain(secret);
        },
      ));
  });

  describe('a run that is stopped', () => {
    const outcomes: Readonly<Record<StopReason, [string, string]>> = {
      cancelled: ['cancelled', 'cancelled: client requested cancellation'],
      disconnected: ['cancelled', 'cancelled: client disconnected'],
      'timed-out': ['timed-out', 'timed out'],
      shutdown: ['cancelled', 'cancelled: server is shutting down'],
      protocol: ['cancelled', 'cancelled: protocol error'],
      storage: ['failed', 'the output could not be stored'],
    };
    const reasons = Object.keys(outcomes) as StopReason[];
    const bodies: readonly [string, Call['body'], object][] = [
      [
        'returns',
        async ({ signal }) => {
          await waitForAbort(signal);
          return {};
        },
        {},
      ],
      [
        'returns an exit code',
        async ({ signal }) => {
          await waitForAbort(signal);
          return { exitCode: 143 };
        },
        { exitCode: 143 },
      ],
      [
        'fails',
        async ({ signal }) => {
          await waitForAbort(signal);
          throw new WorkFailed('was stopped');
        },
        {},
      ],
      [
        'throws',
        async ({ signal }) => {
          await waitForAbort(signal);
          throw new Error('anything');
        },
        {},
      ],
      ['never returns', () => new Promise(() => {}), {}],
    ];
    for (const [title, body, exit] of bodies) {
      it(`a run has the outcome of its first stop reason if its body then ${title}`, () =>
        withTestRuns([codeCall('it', body)], async ({ start, logged }) => {
          await Promise.all(
            reasons.map(async (reason) => {
              const run = start('it');
              const states: string[] = [];
              await waitUntilStarted(run);
              run.onState(({ state }) => states.push(state));
              run.stop(reason);
              for (const later of reasons) run.stop(later, 'too late');
              run.forceStop();
              const record = await run.ended;
              const [outcome, message] = outcomes[reason];
              expect(record).to.deep.include({ outcome, message, ...exit });
              expect(states).to.deep.equal(['cancelling', 'ended']);
              expect(record.cleanup?.clean).to.equal(title !== 'never returns');
            }),
          );
          expect(logged()).not.to.contain('mistake of ours');
        }));
    }

    it('a stopped run passes the reason to its body and a given message to the caller', () => {
      const seen: unknown[] = [];
      return withTestRuns(
        [
          codeCall('it', async ({ signal }) => {
            await waitForAbort(signal);
            seen.push(signal.reason);
            return {};
          }),
        ],
        async ({ start }) => {
          const run = start('it');
          await waitUntilStarted(run);
          run.stop('protocol', 'cancelled: input buffer overflow');
          expect((await run.ended).message).to.equal('cancelled: input buffer overflow');
          expect(seen).to.deep.equal(['protocol']);
        },
      );
    });

    it('a stop after the end of the body does not change the outcome and only ends the grace of the release', () => {
      const straggler = 'setsid sh -c "trap \'\' TERM; echo on; sleep 1000" > /dev/null 2>&1 < /dev/null & sleep 0.2';
      const call = processCall('it', ['bash', '-c', straggler], { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      return withTestRuns([call], async ({ start, logged }) => {
        const run = start('it');
        await waitUntil('the remaining process is being ended', () => logged().includes('ending processes'));
        run.stop('cancelled');
        const record = await run.ended;
        expect(record).to.deep.include({ outcome: 'succeeded', exitCode: 0 });
        expect(record.cleanup?.released.map(({ how }) => how)).to.deep.equal(['SIGKILL']);
      });
    });

    it('the message of a run that reaches its time limit names the limit', () =>
      withTestRuns([codeCall('it', () => new Promise(() => {}), { timeoutMs: 30 })], async ({ start }) => {
        expect(await start('it').ended).to.deep.include({ outcome: 'timed-out', message: 'timed out after 30ms' });
      }));

    it('a run abandons code that ignores its signal and reports that in the receipt', () =>
      withTestRuns([codeCall('it', () => new Promise(() => {}))], async ({ start }) => {
        const run = start('it');
        await waitUntilStarted(run);
        const began = performance.now();
        run.stop('cancelled');
        const record = await run.ended;
        expect(record.cleanup).to.deep.equal({
          clean: false,
          released: [],
          left: [{ kind: 'deferred', id: 'body', why: 'the code of the call did not return after it was stopped' }],
        });
        expect(performance.now() - began).to.be.above(145);
      }));

    it('a receipt says that abandoned code has returned if it does so during the release', () => {
      const body = deferred<void>();
      const call = codeCall('it', async ({ defer }) => {
        defer('wait', async () => {
          body.resolve();
          await new Promise((resolve) => setImmediate(resolve));
        });
        await body.promise;
        return {};
      });
      return withTestRuns([call], async ({ start }) => {
        const run = start('it');
        await waitUntilStarted(run);
        run.stop('cancelled');
        const { cleanup } = await run.ended;
        expect(cleanup?.left).to.deep.equal([]);
        expect(cleanup?.released.map(({ id, how }) => `${id} ${how}`)).to.deep.equal(['wait done', 'body returned']);
      });
    });

    it('a run skips its grace after forceStop', () => {
      const slow = codeCall('it', () => new Promise(() => {}), { stop: { signal: 'SIGTERM', graceMs: 60_000 } });
      return withTestRuns([slow], async ({ start }) => {
        const run = start('it');
        await waitUntilStarted(run);
        run.stop('cancelled');
        run.forceStop();
        expect((await run.ended).outcome).to.equal('cancelled');
      });
    });
  });

  describe('a run of code', () => {
    it('the value that a code call returns is the value of its run', () =>
      withTestRuns([codeCall('it', async () => ({ value: { answer: 42 } }))], async ({ start }) => {
        const run = start('it');
        await run.ended;
        expect(run.value).to.deep.equal({ answer: 42 });
      }));

    it('a code call writes lines and events', () =>
      withTestRuns(
        [
          codeCall('it', async ({ output, events }) => {
            output.write('stdout', Buffer.from('one\ntwo'));
            events.emit('step', { n: 1 });
            return {};
          }),
        ],
        async ({ start, runs }) => {
          const run = start('it');
          const record = await run.ended;
          expect(record).to.deep.include({ lines: 2, bytes: 8 });
          expect(await runs.lines(run.id, { after: 0, limit: 10, bytesMax: 1000 })).to.deep.equal({
            lines: ['one', 'two'],
            next: 2,
            ended: true,
          });
        },
      ));

    it('a code call does deferred work last in first out after its body has ended or was abandoned', async () => {
      const done: string[] = [];
      const deferring = (name: string, rest: (context: Context) => Promise<void>) =>
        codeCall(name, async (context) => {
          context.defer('first', () => void done.push('first'));
          context.defer('second', async () => {
            await Promise.resolve();
            done.push('second');
          });
          await rest(context);
          done.push('body');
          return {};
        });
      const calls = [
        deferring('ends', async () => {}),
        deferring('stops', async ({ signal }) => {
          await waitForAbort(signal);
          await new Promise((resolve) => setImmediate(resolve));
        }),
        deferring('stays', () => new Promise(() => {})),
      ];
      await withTestRuns(calls, async ({ start }) => {
        for (const [name, order] of [
          ['ends', ['body', 'second', 'first']],
          ['stops', ['body', 'second', 'first']],
          ['stays', ['second', 'first']],
        ] as const) {
          done.length = 0;
          const run = start(name);
          if (name !== 'ends') await waitUntilStarted(run).then(() => run.stop('cancelled'));
          const { cleanup } = await run.ended;
          expect(done, name).to.deep.equal(order);
          expect(cleanup?.released.map(({ kind, id, how }) => [kind, id, how])).to.deep.equal([
            ['deferred', 'second', 'done'],
            ['deferred', 'first', 'done'],
          ]);
        }
      });
    });

    it('a code call cannot start or defer anything after its end', async () => {
      const saved: { context?: Context } = {};
      await withTestRuns(
        [
          codeCall('it', async (context) => {
            saved.context = context;
            return {};
          }),
        ],
        async ({ start, store }) => {
          const run = start('it');
          await run.ended;
          const late = await saved
            .context!.engines.process({ argv: ['sleep', '100'] })
            .catch((error: unknown) => error);
          expect(late).to.be.instanceOf(WorkFailed);
          expect(() => saved.context!.defer('late', () => {})).to.throw(WorkFailed, 'the run has ended');
          saved.context!.output.write('stdout', Buffer.from('late\n'));
          saved.context!.events.emit('late');
          expect(store.openObligations(run.id)).to.deep.equal([]);
          expect(store.get(run.id)).to.deep.include({ lines: 0 });
        },
      );
    });
  });

  describe('a run of a process', () => {
    it('a process run passes on input, delivers both streams, and ends with the exit code', () =>
      withTestRuns(
        [processCall('it', ['sh', '-c', 'read line; echo "got $line"; echo no >&2; exit 7'])],
        async ({ start, runs }) => {
          const run = start('it');
          run.input.push(Buffer.from('hello\n'));
          expect(await run.ended).to.deep.include({ outcome: 'failed', exitCode: 7, lines: 2 });
          expect([...(await runs.lines(run.id, { after: 0, limit: 10, bytesMax: 1000 })).lines].sort()).to.deep.equal([
            'got hello',
            'no',
          ]);
        },
      ));

    it('a cancelled process run ends the process and reports how in the receipt', () =>
      withTestRuns([processCall('it', ['sleep', '1000'])], async ({ start, store }) => {
        const run = start('it');
        await waitUntil('the process has started', () => store.openObligations(run.id)[0]?.facts['pid'] !== undefined);
        run.stop('cancelled');
        const { outcome, cleanup } = await run.ended;
        expect(outcome).to.equal('cancelled');
        expect(cleanup).to.deep.include({ clean: true, left: [] });
        expect(cleanup?.released.map(({ kind, how }) => [kind, how])).to.deep.equal([['process', 'SIGTERM']]);
        expect(store.openObligations(run.id)).to.deep.equal([]);
      }));
  });
});

describe('a run whose store rejects writes', () => {
  const diskFull = () => Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  const full = () => {
    throw diskFull();
  };
  /** Wraps a store so that it rejects writes while `is.full`. */
  const rejectWrites =
    (is: { full: boolean }) =>
    (store: RunStore): RunStore => ({
      ...store,
      insertBatched: async (record, facts) => (is.full ? full() : store.insertBatched(record, facts)),
      updateBatched: (record, onSettled, bytes) =>
        is.full ? onSettled(diskFull()) : store.updateBatched(record, onSettled, bytes),
      saveObligation: (entry) => (is.full ? full() : store.saveObligation(entry)),
      deleteObligation: (entry, onSettled) =>
        is.full ? onSettled?.(diskFull()) : store.deleteObligation(entry, onSettled),
    });

  it('a run ends and counts as ended although the store rejects its record, which is stored later', async () => {
    const is = { full: false };
    await withTestRuns(
      [processCall('it', ['sleep', '1000'])],
      async ({ start, runs, store }) => {
        const run = start('it');
        await waitUntil('the process has started', () => store.openObligations(run.id)[0]?.facts['pid'] !== undefined);
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
        await waitUntil('the run is stored', () => store.get(run.id)?.state === 'ended');
        expect(store.get(run.id)).to.deep.equal(record);
        expect(await runs.lines(run.id, { after: 0, limit: 5, bytesMax: 100 })).to.deep.equal({
          lines: [],
          next: 0,
          ended: true,
        });
      },
      { store: rejectWrites(is) },
    );
  });

  it('an ended run whose record is not stored yet is stored when all runs are stopped', async () => {
    const is = { full: false };
    await withTestRuns(
      [
        codeCall('it', async () => {
          is.full = true;
          return {};
        }),
      ],
      async ({ start, runs, store }) => {
        const run = start('it');
        await run.ended;
        is.full = false;
        await runs.stopAll('shutdown');
        expect(store.get(run.id)?.outcome).to.equal('succeeded');
      },
      { store: rejectWrites(is) },
    );
  });

  it('a run does not start what it cannot journal, and reports why', async () => {
    const is = { full: false };
    await withTestRuns(
      [
        codeCall('it', async ({ engines }) => {
          is.full = true;
          return engines.process({ argv: ['true'] });
        }),
      ],
      async ({ start, logged }) => {
        const record = await start('it').ended;
        expect(record).to.deep.include({
          outcome: 'failed',
          message: 'cannot start: the cleanup journal could not be written: no space left on the disk',
        });
        expect(logged()).to.contain('cannot journal an obligation');
      },
      { store: rejectWrites(is) },
    );
  });

  it('a run whose start cannot be stored does not start, and reports why', async () => {
    const is = { full: false };
    let hasStarted = false;
    await withTestRuns(
      [
        codeCall('it', async () => {
          hasStarted = true;
          return {};
        }),
      ],
      async ({ start }) => {
        const run = start('it');
        is.full = true;
        expect(await run.ended).to.deep.include({
          outcome: 'failed',
          message: 'cannot start: the run could not be stored: no space left on the disk',
        });
        expect(hasStarted).to.equal(false);
      },
      { store: rejectWrites(is) },
    );
  });

  it('a run whose first record cannot be stored is rejected and leaves nothing behind', async () => {
    const is = { full: true };
    let hasStarted = false;
    await withTestRuns(
      [
        codeCall('it', async () => {
          hasStarted = true;
          return {};
        }),
      ],
      async ({ start, runs }) => {
        const run = start('it');
        const message = 'the run cannot be stored: no space left on the disk';
        expect(await run.persisted.catch((error: unknown) => error))
          .to.be.instanceOf(RunRejected)
          .and.to.have.property('message', message);
        expect(await run.ended).to.deep.include({ outcome: 'rejected', message });
        expect(runs.list({ limit: 5 }).runs).to.deep.equal([]);
        expect(runs.get(run.id)).to.equal(undefined);
        expect(hasStarted).to.equal(false);
      },
      { store: rejectWrites(is) },
    );
  });

  it('a run notifies every listener even if another one throws', () =>
    withTestRuns(
      [
        codeCall('it', async ({ signal }) => {
          await waitForAbort(signal);
          return {};
        }),
      ],
      async ({ start, logged }) => {
        const run = start('it');
        const received: string[] = [];
        run.onState(() => {
          throw new Error('deaf');
        });
        run.onState(({ state }) => received.push(state));
        run.stop('cancelled');
        expect((await run.ended).outcome).to.equal('cancelled');
        expect(received).to.deep.equal(['cancelling', 'ended']);
        expect(logged()).to.contain('deaf');
      },
    ));
});

describe('runs', () => {
  it('runs are listed newest first, page by page', () =>
    withTestRuns([codeCall('it', async () => ({}))], async ({ start, runs }) => {
      const ids = [start('it'), start('it'), start('it')].map(({ id }) => id).reverse();
      const first = runs.list({ limit: 2 });
      expect(first.runs.map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
      expect(first.next).to.equal(ids[1]);
      expect(runs.list({ limit: 2, before: first.next! })).to.have.all.keys('runs');
      expect(runs.list({ limit: 3 })).to.have.all.keys('runs');
    }));

  it('a run has the requested id, or one that the gateway generates', () =>
    withTestRuns([codeCall('it', async () => ({}))], async ({ runs }) => {
      const { run } = runs.start({ call: 'it', params: [], caller, id: 'mine' });
      expect(run.id).to.equal('mine');
      expect(runs.start({ call: 'it', params: [], caller }).run.id).to.match(/^[a-z2-7]{16}$/);
      await run.ended;
    }));

  it('runs of unknown calls or with wrong params are rejected', () =>
    withTestRuns([codeCall('greet', async () => ({}))], async ({ start }) => {
      expect(() => start('gret')).to.throw('no such call "gret"; did you mean "greet"?');
      expect(() => start('a\nb')).to.throw('no such call "a\\nb"');
      expect(() => start('greet', ['too many'])).to.throw();
    }));

  it('runs whose folder cannot be created fail at their first output and have no lines', () =>
    withTestRuns([processCall('it', ['echo', 'lost'])], async ({ runs }, folder) => {
      writeFileSync(join(folder, 'runs', 'mine'), '');
      const record = await runs.start({ call: 'it', params: [], caller, id: 'mine' }).run.ended;
      expect(record).to.deep.include({
        state: 'ended',
        outcome: 'failed',
        message: 'the output could not be stored: the disk rejected the write',
        lines: 0,
      });
      rmSync(join(folder, 'runs', 'mine'));
      expect(await runs.lines('mine', { after: 0, limit: 5, bytesMax: 100 })).to.deep.equal({
        lines: [],
        next: 0,
        ended: true,
      });
    }));

  it('all runs end when the gateway stops them, and no other run starts', () =>
    withTestRuns([processCall('it', ['sleep', '1000'])], async ({ start, runs, store }, folder) => {
      const started = [start('it'), start('it')];
      await Promise.all(started.map(waitUntilStarted));
      await runs.stopAll('shutdown');
      for (const run of started)
        expect(store.get(run.id)).to.deep.include({
          state: 'ended',
          outcome: 'cancelled',
          message: 'cancelled: server is shutting down',
        });
      expect(() => start('it')).to.throw('server is shutting down');
      // The run printed nothing, so it has no folder.
      expect(existsSync(join(folder, 'runs', started[0]!.id))).to.equal(false);
    }));
});
