import { expect } from 'chai';
import { Starter } from '../../server/runs/starter.ts';
import { until } from '../helpers/until.ts';

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

describe('the starter', () => {
  it('starts what comes alone in the next turn of the event loop, and not before', async () => {
    let started = false;
    new Starter().push(() => { started = true; });
    expect(started).to.equal(false);
    await turn();
    expect(started).to.equal(true);
  });

  it('hears those that come together before it starts the first of them, and starts each in a turn of its own, in order', async () => {
    const starter = new Starter();
    const started: number[] = [];
    const turns = new Set<number>();
    let now = 0;
    for (let i = 0; i < 50; i++) starter.push(() => { started.push(i); turns.add(now); });
    await turn();
    expect(started).to.have.length(0);
    while (started.length < 50) {
      now++;
      await turn();
    }
    expect(started).to.deep.equal(Array.from({ length: 50 }, (_, i) => i));
    expect(turns.size).to.equal(50);
  });

  it('does not wait for ever for those that keep coming', async () => {
    const starter = new Starter();
    let [pushed, started] = [0, 0];
    const push = (): void => {
      starter.push(() => { started++; });
      pushed++;
    };
    push();
    push();
    for (let last = 0; started === 0; await turn()) {
      if (performance.now() - last < 1) continue;
      last = performance.now();
      push();
    }
    expect(pushed).to.be.above(2);
    await until('all are started', () => started === pushed);
  });
});
