// Many messages about layers become few facts.

import { expect } from 'chai';
import { PullProgress, type PullFacts } from '../../server/docker/pull-progress.ts';

describe('docker pull progress', () => {
  it('sums up the layers', () => {
    const { told, progress } = listen();
    progress.take({ id: 'a', status: 'Pulling fs layer' });
    progress.take({ id: 'b', status: 'Already exists' });
    progress.take({ id: 'a', status: 'Downloading', progressDetail: { current: 10, total: 40 } });
    progress.take({ id: 'a', status: 'Extracting', progressDetail: { current: 1, total: 40 } });
    progress.take({ id: 'a', status: 'Pull complete' });
    expect(told.at(-1)).to.deep.equal({ layers: 2, done: 2, bytes: 40, bytesTotal: 40 });
  });

  it('tells at most twice a second, however much comes', () => {
    const { told, progress, clock } = listen();
    for (let current = 0; current < 10_000; current += 1) {
      clock.ms += 1;
      progress.take({ id: 'a', status: 'Downloading', progressDetail: { current, total: 10_000 } });
    }
    expect(told.length).to.equal(20);
  });

  it('does not repeat itself, and passes over what is not about layers', () => {
    const { told, progress, clock } = listen();
    for (let time = 0; time < 5; time += 1) {
      clock.ms += 1_000;
      progress.take({ id: 'a', status: 'Waiting' });
      progress.take({ id: 'latest', status: 'Pulling from library/busybox' });
      progress.take({ status: 'Digest: sha256:…' });
    }
    expect(told).to.deep.equal([{ layers: 1, done: 0, bytes: 0, bytesTotal: 0 }]);
  });

  it('keeps no more than a thousand layers', () => {
    const { told, progress, clock } = listen();
    for (let layer = 0; layer < 1_200; layer += 1) progress.take({ id: String(layer), status: 'Waiting' });
    clock.ms += 1_000;
    progress.take({ id: '0', status: 'Downloading', progressDetail: { current: 1 } });
    expect(told.at(-1)?.layers).to.equal(1_000);
  });
});

function listen(): { told: PullFacts[]; clock: { ms: number }; progress: PullProgress } {
  const told: PullFacts[] = [];
  const clock = { ms: 0 };
  return { told, clock, progress: new PullProgress((facts) => told.push(facts), () => clock.ms) };
}
