import { expect } from 'chai';
import { MessageChannel } from 'node:worker_threads';
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

  it('waits for those that are on their way while others are being heard, however long that takes', async () => {
    const starter = new Starter();
    let started = 0;
    const push = (): void => starter.push(() => { started++; });
    push();
    push();
    const { port1, port2 } = new MessageChannel();
    const startedMeanwhile = await new Promise<number>((resolve) => {
      let left = 6;
      // Comes when the event loop reads, as what clients say does.
      port1.on('message', () => {
        for (const until = performance.now() + 8; performance.now() < until;) continue;
        left -= 1;
        // In the next turn: all that is there is heard in one.
        if (left > 0) return void setImmediate(() => port2.postMessage(''));
        push();
        resolve(started);
      });
      port2.postMessage('');
    });
    port1.close();
    expect(startedMeanwhile).to.equal(0);
    await until('all are started', () => started === 3);
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
