// Tests when the start scheduler starts runs: one per event-loop turn, and after a burst of requests.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { StartScheduler } from '../../server/runs/start-scheduler.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe('the start scheduler', () => {
  it('the scheduler starts a single run in the next event-loop turn, not before', async () => {
    let started = false;
    new StartScheduler().push(() => {
      started = true;
    });
    expect(started).to.equal(false);
    await turn();
    expect(started).to.equal(true);
  });

  it('the scheduler waits for the whole burst before it starts the first run, then starts one per turn', async () => {
    const starter = new StartScheduler();
    const started: number[] = [];
    const turns = new Set<number>();
    let now = 0;
    for (let i = 0; i < 50; i++)
      starter.push(() => {
        started.push(i);
        turns.add(now);
      });
    await turn();
    expect(started).to.have.length(0);
    while (started.length < 50) {
      now++;
      await turn();
    }
    expect(started).to.deep.equal(Array.from({ length: 50 }, (_, i) => i));
    expect(turns.size).to.equal(50);
  });

  it('the scheduler waits for requests that still arrive, even if accepting the earlier ones takes long', async () => {
    const starter = new StartScheduler();
    let started = 0;
    const push = (): void =>
      starter.push(() => {
        started++;
      });
    push();
    push();
    const { port1, port2 } = new MessageChannel();
    const startedMeanwhile = await new Promise<number>((resolve) => {
      let left = 6;
      // Called for each message that the event loop reads, as for messages of clients.
      port1.on('message', () => {
        for (const until = performance.now() + 8; performance.now() < until; );
        left -= 1;
        // The next message is read in the next turn.
        if (left > 0) return void setImmediate(() => port2.postMessage(''));
        push();
        resolve(started);
      });
      port2.postMessage('');
    });
    port1.close();
    expect(startedMeanwhile).to.equal(0);
    await waitUntil('all runs are started', () => started === 3);
  });

  it('the scheduler does not wait forever for requests that keep arriving', async () => {
    const starter = new StartScheduler();
    let [pushed, started] = [0, 0];
    const push = (): void => {
      starter.push(() => {
        started++;
      });
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
    await waitUntil('all runs are started', () => started === pushed);
  });
});
