// Tests the queue of runs: its limits, its order, and the positions that it reports.

import { expect } from 'chai';
import { type CallKeyLimit, type QueuedRun, RunQueue } from '../../server/runs/queue.ts';
import type { Run } from '../../server/runs/run.ts';
import { type RandomInteger, seededRandom } from '../helpers/runs/test-log.ts';
import {
  codeCall,
  collectEvents,
  processCall,
  waitForAbort,
  waitUntilStarted,
  withTestRuns,
} from '../helpers/runs/test-runs.ts';
import { seeds } from '../helpers/seeded-random.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

class TestRun implements QueuedRun {
  readonly keyLimit: CallKeyLimit | undefined;
  readonly positions: number[] = [];
  isStarted = false;
  readonly #order: TestRun[];

  constructor(keyLimit: CallKeyLimit | undefined, order: TestRun[] = []) {
    this.keyLimit = keyLimit;
    this.#order = order;
  }

  start(): void {
    this.isStarted = true;
    this.#order.push(this);
  }

  onPosition(position: number): void {
    this.positions.push(position);
  }
}

describe('the queue', () => {
  const keyLimit = (key: string, limit = 1, queue = 100): CallKeyLimit => ({ key, limit, queue });

  it('the queue starts runs while there is capacity, and the others in order of arrival', () => {
    const queue = new RunQueue({ runsMax: 10, queuedMax: 10 });
    const all = Array.from({ length: 4 }, () => new TestRun(keyLimit('a', 2)));
    for (const one of all) queue.enqueue(one);
    expect(all.map(({ isStarted }) => isStarted)).to.deep.equal([true, true, false, false]);
    queue.remove(all[1]!);
    queue.remove(all[1]!);
    expect(all.map(({ isStarted }) => isStarted)).to.deep.equal([true, true, true, false]);
  });

  it('a run that waits for its key does not block runs with other keys', () => {
    const queue = new RunQueue({ runsMax: 10, queuedMax: 10 });
    const [first, blocked, other, free] = [
      new TestRun(keyLimit('a')),
      new TestRun(keyLimit('a')),
      new TestRun(keyLimit('b')),
      new TestRun(undefined),
    ];
    for (const one of [first, blocked, other, free]) queue.enqueue(one!);
    expect([first, blocked, other, free].map((one) => one!.isStarted)).to.deep.equal([true, false, true, true]);
  });

  it('the queue reports changed positions: per key, or among all runs while the gateway is full', async () => {
    const queue = new RunQueue({ runsMax: 2, queuedMax: 10 });
    const [a1, a2, a3, b1] = [
      new TestRun(keyLimit('a')),
      new TestRun(keyLimit('a')),
      new TestRun(keyLimit('a')),
      new TestRun(keyLimit('b')),
    ];
    for (const one of [a1, a2, a3]) queue.enqueue(one!);
    await nextTurn();
    expect([a1, a2, a3].map((one) => one!.positions)).to.deep.equal([[], [1], [2]]);
    queue.enqueue(b1!);
    const c = new TestRun(undefined);
    queue.enqueue(c);
    await nextTurn();
    expect(c.positions).to.deep.equal([3]);
    queue.remove(a2!);
    await nextTurn();
    expect([a3!.positions, c.positions]).to.deep.equal([
      [2, 1],
      [3, 2],
    ]);
    queue.remove(b1!);
    await nextTurn();
    expect([a3!.isStarted, c.isStarted]).to.deep.equal([false, true]);
  });

  it('the queue rarely reports changes of positions far from the front', async () => {
    const queue = new RunQueue({ runsMax: 1, queuedMax: 1000 });
    const all = Array.from({ length: 1000 }, () => new TestRun(undefined));
    for (const one of all) queue.enqueue(one);
    await nextTurn();
    for (const one of all) {
      queue.remove(one);
      await nextTurn();
    }
    const { positions } = all.at(-1)!;
    expect(positions[0]).to.equal(999);
    expect(positions.slice(-19)).to.deep.equal(Array.from({ length: 19 }, (_, i) => 19 - i));
    expect(positions).to.have.length.below(80);
  });

  it('the queue rejects a run with the reason if too many wait, for its key or in total', () => {
    const queue = new RunQueue({ runsMax: 2, queuedMax: 2 });
    const narrowLimit = keyLimit('a', 1, 1);
    expect(queue.rejectionReason('it', narrowLimit)).to.equal(undefined);
    queue.enqueue(new TestRun(narrowLimit));
    queue.enqueue(new TestRun(narrowLimit));
    expect(queue.rejectionReason('it', narrowLimit)).to.equal(
      'too many runs of "it" (1 running, 1 waiting); try again later',
    );
    expect(queue.rejectionReason('it', keyLimit('b', 1, 0))).to.equal(undefined);
    queue.enqueue(new TestRun(undefined));
    expect(queue.rejectionReason('it', undefined)).to.equal(undefined);
    queue.enqueue(new TestRun(undefined));
    expect(queue.rejectionReason('it', undefined)).to.equal('the gateway is busy (2 runs, 2 waiting); try again later');
    expect(queue.rejectionReason('it', keyLimit('b', 1, 0))).to.contain('the gateway is busy');
  });

  it('the queue keeps within its limits, uses all capacity, and lets no run overtake one with its key', () => {
    for (const seed of seeds(200)) new Model(seededRandom(seed), seed).run();
  });
});

/** Adds and removes runs at random and checks the queue after each step. */
class Model {
  readonly #random: RandomInteger;
  readonly #seed: number;
  readonly #runsMax: number;
  readonly #queue: RunQueue;
  readonly #order: TestRun[] = [];
  readonly #entered: TestRun[] = [];
  readonly #gone = new Set<TestRun>();

  constructor(random: RandomInteger, seed: number) {
    this.#random = random;
    this.#seed = seed;
    this.#runsMax = 1 + random(5);
    this.#queue = new RunQueue({ runsMax: this.#runsMax, queuedMax: 1000 });
  }

  run(): void {
    for (let step = 0; step < 100; step++) {
      if (this.#random(2) === 0) this.#enter();
      else this.#leave();
      this.#check();
    }
  }

  #enter(): void {
    const key = this.#random(4);
    const one = new TestRun(key === 0 ? undefined : { key: String(key), limit: key, queue: 1000 }, this.#order);
    this.#entered.push(one);
    this.#queue.enqueue(one);
  }

  #leave(): void {
    const present = this.#entered.filter((entered) => !this.#gone.has(entered));
    const one = present[this.#random(present.length)];
    if (one === undefined) return;
    this.#gone.add(one);
    this.#queue.remove(one);
  }

  #check(): void {
    const present = this.#entered.filter((entered) => !this.#gone.has(entered));
    const started = present.filter((one) => one.isStarted);
    const startedWithKey = (one: TestRun) =>
      started.filter((other) => other.keyLimit?.key === one.keyLimit?.key).length;
    expect(started.length, `seed ${this.#seed}`).to.be.at.most(this.#runsMax);
    for (const one of started)
      if (one.keyLimit !== undefined)
        expect(startedWithKey(one), `seed ${this.#seed}`).to.be.at.most(one.keyLimit.limit);
    const waiting = present.filter((one) => !one.isStarted);
    const startable = waiting.filter(
      (one) =>
        started.length < this.#runsMax && (one.keyLimit === undefined || startedWithKey(one) < one.keyLimit.limit),
    );
    expect(startable.length, `seed ${this.#seed}`).to.equal(0);
    for (const key of ['1', '2', '3']) {
      const arrived = this.#entered.filter((one) => one.keyLimit?.key === key);
      const startOrder = this.#order.filter((one) => one.keyLimit?.key === key);
      expect(
        startOrder.map((one) => arrived.indexOf(one)),
        `seed ${this.#seed}`,
      ).to.deep.equal(startOrder.map((one) => arrived.indexOf(one)).sort((a, b) => a - b));
    }
  }
}

describe('queued runs', () => {
  const waiting = (name = 'it') =>
    codeCall(
      name,
      async ({ signal }) => {
        await waitForAbort(signal);
        return {};
      },
      { concurrency: { limit: 1, queue: 2 } },
    );
  const waitUntilQueued = (run: Run) => waitUntil('the run has its position', () => run.log.position.seq > 0);
  const positions = async (run: Run) => (await collectEvents(run)).map(({ position }) => position);

  it('queued runs start one after another in order of arrival, and report their position', () =>
    withTestRuns([processCall('it', ['cat'], { concurrency: { limit: 1, queue: 2 } })], async ({ start }) => {
      const [first, second, third] = [start('it'), start('it'), start('it')];
      await waitUntilStarted(first!);
      expect([second, third].map((run) => run!.record.state)).to.deep.equal(['queued', 'queued']);
      expect(() => start('it')).to.throw('too many runs of "it" (1 running, 2 waiting)');
      first!.input.end();
      await waitUntilStarted(second!);
      expect((await first!.ended).state).to.equal('ended');
      expect(third!.record.state).to.equal('queued');
      second!.input.end();
      await waitUntilStarted(third!);
      third!.input.end();
      expect(await positions(third!)).to.deep.equal([2, 1]);
      expect(await positions(first!)).to.deep.equal([]);
    }));

  it('queued runs wait only for runs with the same value of the param that `by` names', () => {
    const call = codeCall(
      'it',
      async ({ signal }) => {
        await waitForAbort(signal);
        return {};
      },
      { params: [{ name: 'who' }], concurrency: { limit: 1, by: 'who', queue: 1 } },
    );
    return withTestRuns([call], async ({ start }) => {
      const [ada, again, bob] = [start('it', ['ada']), start('it', ['ada']), start('it', ['bob'])];
      await waitUntilStarted(bob!);
      expect([ada, again].map((run) => run!.record.state)).to.deep.equal(['running', 'queued']);
      expect(() => start('it', ['ada'])).to.throw('too many runs of "it"');
      ada!.stop('cancelled');
      await waitUntilStarted(again!);
      expect(again!.record.state).to.equal('running');
    });
  });

  it('queued runs wait while the gateway is full, and more runs are rejected', () =>
    withTestRuns(
      [
        codeCall('it', async ({ signal }) => {
          await waitForAbort(signal);
          return {};
        }),
      ],
      async ({ start, runs }) => {
        const [one, two] = [start('it'), start('it')];
        await waitUntilStarted(one!);
        expect(runs.countByState()).to.deep.equal({ ended: 0, running: 1, queued: 1 });
        expect(() => start('it')).to.throw('the gateway is busy (1 runs, 1 waiting)');
        one!.stop('cancelled');
        await waitUntilStarted(two!);
        expect(two!.record.state).to.equal('running');
      },
      { limits: { runsMax: 1, queuedMax: 1 } },
    ));

  it('stopped queued runs never start, end as cancelled with an empty receipt, and leave the queue', () => {
    const ran: string[] = [];
    const call = codeCall(
      'it',
      async ({ run, signal }) => {
        ran.push(run);
        await waitForAbort(signal);
        return {};
      },
      { concurrency: { limit: 1, queue: 1 } },
    );
    return withTestRuns([call], async ({ start, store }) => {
      const first = start('it');
      const second = start('it');
      await waitUntilStarted(first);
      await waitUntilQueued(second);
      const states: string[] = [];
      second.onState(({ state }) => states.push(state));
      second.stop('cancelled');
      const third = start('it');
      const record = await second.ended;
      expect(record).to.deep.include({
        state: 'ended',
        outcome: 'cancelled',
        message: 'cancelled: client requested cancellation; it had not started yet',
        cleanup: { clean: true, released: [], left: [] },
      });
      expect(record).not.to.have.property('startedAt');
      expect(states).to.deep.equal(['cancelling', 'ended']);
      expect(store.get(second.id)).to.deep.equal(record);
      first.stop('cancelled');
      await waitUntil('the third run has started', () => ran.length === 2);
      expect(ran).to.deep.equal([first.id, third.id]);
    });
  });

  it('the time limit of a queued run begins at its start', () =>
    withTestRuns(
      [
        codeCall(
          'it',
          async ({ signal }) => {
            await waitForAbort(signal);
            return {};
          },
          { timeoutMs: 100, concurrency: { limit: 1, queue: 5 } },
        ),
      ],
      async ({ start }) => {
        const runs = [start('it'), start('it'), start('it')];
        for (const run of runs) {
          const { outcome, durationMs } = await run.ended;
          expect(outcome).to.equal('timed-out');
          expect(durationMs).to.be.at.least(95);
        }
      },
    ));

  it('queued runs are cancelled when their client is disconnected, and when the gateway stops', () =>
    withTestRuns([waiting()], async ({ start, runs }) => {
      const first = start('it');
      const [lost, left] = [start('it'), start('it')];
      await waitUntilStarted(first);
      await Promise.all([lost!, left!].map(waitUntilQueued));
      lost!.connectClient().disconnected();
      expect((await lost!.ended).message).to.equal('cancelled: client disconnected; it had not started yet');
      runs.stopAccepting();
      expect((await left!.ended).message).to.equal('cancelled: server is shutting down; it had not started yet');
      expect(first.record.state).to.equal('running');
      expect(() => start('it')).to.throw('server is shutting down');
    }));

  it('the gateway accepts many runs before it starts the first one', () =>
    withTestRuns([processCall('it', ['true'])], async ({ start }) => {
      const runs = Array.from({ length: 50 }, () => start('it'));
      expect(new Set(runs.map((run) => run.record.state))).to.deep.equal(new Set(['queued']));
      await waitUntilStarted(runs[0]!);
      expect(runs.filter((run) => run.record.state === 'queued')).to.have.length(49);
      await waitUntil('all runs have ended', () => runs.every((run) => run.record.state === 'ended'));
    }));
});
