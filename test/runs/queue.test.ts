import { expect } from 'chai';
import { RunQueue, type Queued, type Slot } from '../../server/runs/queue.ts';
import type { Run } from '../../server/runs/run.ts';
import { begun, code, eventsOf, program, stopped, withHeart } from './heart.ts';
import { chance, type Chance } from './kit.ts';
import { until } from '../helpers/until.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

class One implements Queued {
  readonly slot: Slot | undefined;
  readonly positions: number[] = [];
  going = false;
  readonly #order: One[];

  constructor(slot: Slot | undefined, order: One[] = []) {
    this.slot = slot;
    this.#order = order;
  }

  go(): void {
    this.going = true;
    this.#order.push(this);
  }

  wait(position: number): void {
    this.positions.push(position);
  }
}

describe('the queue', () => {
  const slot = (key: string, limit = 1, queue = 100): Slot => ({ key, limit, queue });

  it('lets go whoever has room, and the others in the order they came', () => {
    const queue = new RunQueue({ runsMax: 10, queuedMax: 10 });
    const all = Array.from({ length: 4 }, () => new One(slot('a', 2)));
    for (const one of all) queue.enter(one);
    expect(all.map(({ going }) => going)).to.deep.equal([true, true, false, false]);
    queue.leave(all[1]!);
    queue.leave(all[1]!);
    expect(all.map(({ going }) => going)).to.deep.equal([true, true, true, false]);
  });

  it('holds nobody up because of one that waits for its own kind', () => {
    const queue = new RunQueue({ runsMax: 10, queuedMax: 10 });
    const [first, blocked, other, free] = [new One(slot('a')), new One(slot('a')), new One(slot('b')), new One(undefined)];
    for (const one of [first, blocked, other, free]) queue.enter(one!);
    expect([first, blocked, other, free].map((one) => one!.going)).to.deep.equal([true, false, true, true]);
  });

  it('tells positions among its own kind, and among all while the gateway is full, when they change', async () => {
    const queue = new RunQueue({ runsMax: 2, queuedMax: 10 });
    const [a1, a2, a3, b1] = [new One(slot('a')), new One(slot('a')), new One(slot('a')), new One(slot('b'))];
    for (const one of [a1, a2, a3]) queue.enter(one!);
    await nextTurn();
    expect([a1, a2, a3].map((one) => one!.positions)).to.deep.equal([[], [1], [2]]);
    queue.enter(b1!);
    const c = new One(undefined);
    queue.enter(c);
    await nextTurn();
    expect(c.positions).to.deep.equal([3]);
    queue.leave(a2!);
    await nextTurn();
    expect([a3!.positions, c.positions]).to.deep.equal([[2, 1], [3, 2]]);
    queue.leave(b1!);
    await nextTurn();
    expect([a3!.going, c.going]).to.deep.equal([false, true]);
  });

  it('tells those far back only now and then', async () => {
    const queue = new RunQueue({ runsMax: 1, queuedMax: 1000 });
    const all = Array.from({ length: 1000 }, () => new One(undefined));
    for (const one of all) queue.enter(one);
    await nextTurn();
    for (const one of all) {
      queue.leave(one);
      await nextTurn();
    }
    const { positions } = all.at(-1)!;
    expect(positions[0]).to.equal(999);
    expect(positions.slice(-19)).to.deep.equal(Array.from({ length: 19 }, (_, i) => 19 - i));
    expect(positions).to.have.length.below(80);
  });

  it('refuses with the reason when too many wait, for their kind or over all', () => {
    const queue = new RunQueue({ runsMax: 2, queuedMax: 2 });
    const few = slot('a', 1, 1);
    expect(queue.refusal('it', few)).to.equal(undefined);
    queue.enter(new One(few));
    queue.enter(new One(few));
    expect(queue.refusal('it', few)).to.equal('there are as many runs of "it" as may be at once (1 running, 1 waiting); try again later');
    expect(queue.refusal('it', slot('b', 1, 0))).to.equal(undefined);
    queue.enter(new One(undefined));
    expect(queue.refusal('it', undefined)).to.equal(undefined);
    queue.enter(new One(undefined));
    expect(queue.refusal('it', undefined)).to.equal('the gateway is busy (2 runs, 2 waiting); try again later');
    expect(queue.refusal('it', slot('b', 1, 0))).to.contain('the gateway is busy');
  });

  it('never lets more go than may, nor anybody past one of its own kind, and leaves no room unused', () => {
    for (let seed = 0; seed < 200; seed++) new Model(chance(seed), seed).run();
  });
});

/** The queue driven at random, and what must hold after each step. */
class Model {
  readonly #rnd: Chance;
  readonly #seed: number;
  readonly #runsMax: number;
  readonly #queue: RunQueue;
  readonly #order: One[] = [];
  readonly #entered: One[] = [];
  readonly #gone = new Set<One>();

  constructor(rnd: Chance, seed: number) {
    this.#rnd = rnd;
    this.#seed = seed;
    this.#runsMax = 1 + rnd(5);
    this.#queue = new RunQueue({ runsMax: this.#runsMax, queuedMax: 1000 });
  }

  run(): void {
    for (let step = 0; step < 100; step++) {
      if (this.#rnd(2) === 0) this.#enter(); else this.#leave();
      this.#check();
    }
  }

  #enter(): void {
    const key = this.#rnd(4);
    const one = new One(key === 0 ? undefined : { key: String(key), limit: key, queue: 1000 }, this.#order);
    this.#entered.push(one);
    this.#queue.enter(one);
  }

  #leave(): void {
    const there = this.#entered.filter((one) => !this.#gone.has(one));
    const one = there[this.#rnd(there.length)];
    if (one === undefined) return;
    this.#gone.add(one);
    this.#queue.leave(one);
  }

  #check(): void {
    const there = this.#entered.filter((one) => !this.#gone.has(one));
    const going = there.filter((one) => one.going);
    const alike = (one: One) => going.filter((other) => other.slot?.key === one.slot?.key).length;
    expect(going.length, `seed ${this.#seed}`).to.be.at.most(this.#runsMax);
    for (const one of going) if (one.slot !== undefined) expect(alike(one), `seed ${this.#seed}`).to.be.at.most(one.slot.limit);
    const waiting = there.filter((one) => !one.going);
    const couldGo = waiting.filter((one) => going.length < this.#runsMax && (one.slot === undefined || alike(one) < one.slot.limit));
    expect(couldGo.length, `seed ${this.#seed}`).to.equal(0);
    for (const key of ['1', '2', '3']) {
      const came = this.#entered.filter((one) => one.slot?.key === key);
      const went = this.#order.filter((one) => one.slot?.key === key);
      expect(went.map((one) => came.indexOf(one)), `seed ${this.#seed}`).to.deep.equal(went.map((one) => came.indexOf(one)).sort((a, b) => a - b));
    }
  }
}

describe('runs that wait', () => {
  const waiting = (name = 'it') => code(name, async ({ signal }) => { await stopped(signal); return {}; }, { concurrency: { limit: 1, queue: 2 } });
  const toldToWait = (run: Run) => until('it is told to wait', () => run.log.position.seq > 0);
  const positions = async (run: Run) => (await eventsOf(run)).map(({ position }) => position);

  it('start in the order they came, one when the other is over, and tell their place', () => withHeart([program('it', ['cat'], { concurrency: { limit: 1, queue: 2 } })], async ({ start }) => {
    const [first, second, third] = [start('it'), start('it'), start('it')];
    await begun(first!);
    expect([second, third].map((run) => run!.record.state)).to.deep.equal(['queued', 'queued']);
    expect(() => start('it')).to.throw('there are as many runs of "it" as may be at once (1 running, 2 waiting)');
    first!.input.end();
    await begun(second!);
    expect((await first!.ended).state).to.equal('ended');
    expect(third!.record.state).to.equal('queued');
    second!.input.end();
    await begun(third!);
    third!.input.end();
    expect(await positions(third!)).to.deep.equal([2, 1]);
    expect(await positions(first!)).to.deep.equal([]);
  }));

  it('wait for those with the same value of the parameter, and for no others', () => {
    const call = code('it', async ({ signal }) => { await stopped(signal); return {}; }, { params: [{ name: 'who' }], concurrency: { limit: 1, by: 'who', queue: 1 } });
    return withHeart([call], async ({ start }) => {
      const [ada, again, bob] = [start('it', ['ada']), start('it', ['ada']), start('it', ['bob'])];
      await begun(bob!);
      expect([ada, again].map((run) => run!.record.state)).to.deep.equal(['running', 'queued']);
      expect(() => start('it', ['ada'])).to.throw('as many runs of "it"');
      ada!.stop('cancelled');
      await begun(again!);
      expect(again!.record.state).to.equal('running');
    });
  });

  it('wait while the gateway has as many as it takes, and are refused when too many wait', () => withHeart([code('it', async ({ signal }) => { await stopped(signal); return {}; })], async ({ start, runs }) => {
    const [one, two] = [start('it'), start('it')];
    await begun(one!);
    expect(runs.countByState()).to.deep.equal({ ended: 0, running: 1, queued: 1 });
    expect(() => start('it')).to.throw('the gateway is busy (1 runs, 1 waiting)');
    one!.stop('cancelled');
    await begun(two!);
    expect(two!.record.state).to.equal('running');
  }, { limits: { runsMax: 1, queuedMax: 1 } }));

  it('and are stopped never start, end as cancelled with an empty receipt, and make room', () => {
    const ran: string[] = [];
    const call = code('it', async ({ run, signal }) => { ran.push(run); await stopped(signal); return {}; }, { concurrency: { limit: 1, queue: 1 } });
    return withHeart([call], async ({ start, store }) => {
      const first = start('it');
      const second = start('it');
      await begun(first);
      await toldToWait(second);
      const states: string[] = [];
      second.onState(({ state }) => states.push(state));
      second.stop('cancelled');
      const third = start('it');
      const record = await second.ended;
      expect(record).to.deep.include({
        state: 'ended', outcome: 'cancelled', message: 'cancelled: client requested cancellation; it had not started yet', cleanup: { clean: true, released: [], left: [] },
      });
      expect(record).not.to.have.property('startedAt');
      expect(states).to.deep.equal(['cancelling', 'ended']);
      expect(store.get(second.id)).to.deep.equal(record);
      first.stop('cancelled');
      await begun(third);
      expect(ran).to.deep.equal([first.id, third.id]);
    });
  });

  it('do not use up their time limit meanwhile', () => withHeart([code('it', async ({ signal }) => { await stopped(signal); return {}; }, { timeoutMs: 100, concurrency: { limit: 1, queue: 5 } })], async ({ start }) => {
    const runs = [start('it'), start('it'), start('it')];
    for (const run of runs) {
      const { outcome, startedAt, endedAt } = await run.ended;
      expect(outcome).to.equal('timed-out');
      expect(Date.parse(endedAt!) - Date.parse(startedAt!)).to.be.at.least(95);
    }
  }));

  it('are cancelled when their client is lost, and when the gateway stops', () => withHeart([waiting()], async ({ start, runs }) => {
    const first = start('it');
    const [lost, left] = [start('it'), start('it')];
    await begun(first);
    await Promise.all([lost!, left!].map(toldToWait));
    lost!.stay().lose();
    expect((await lost!.ended).message).to.equal('cancelled: client disconnected; it had not started yet');
    runs.admitNoMore();
    expect((await left!.ended).message).to.equal('cancelled: server is shutting down; it had not started yet');
    expect(first.record.state).to.equal('running');
    expect(() => start('it')).to.throw('server is shutting down');
  }));

  it('are heard before any of them starts: accepting does not wait for spawning', () => withHeart([program('it', ['true'])], async ({ start }) => {
    const runs = Array.from({ length: 50 }, () => start('it'));
    expect(new Set(runs.map((run) => run.record.state))).to.deep.equal(new Set(['queued']));
    await begun(runs[0]!);
    expect(runs.filter((run) => run.record.state === 'queued')).to.have.length(49);
    await until('all have ended', () => runs.every((run) => run.record.state === 'ended'));
  }));
});
