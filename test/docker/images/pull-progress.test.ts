// Tests the summary of pull messages.

import { expect } from 'chai';
import { PullProgress, type PullStatus } from '../../../server/docker/images/pull-progress.ts';

describe('docker: pull progress', () => {
  it('the progress sums up all layers', () => {
    const { reports, progress } = listen();
    progress.add({ id: 'a', status: 'Pulling fs layer' });
    progress.add({ id: 'b', status: 'Already exists' });
    progress.add({ id: 'a', status: 'Downloading', progressDetail: { current: 10, total: 40 } });
    progress.add({ id: 'a', status: 'Extracting', progressDetail: { current: 1, total: 40 } });
    progress.add({ id: 'a', status: 'Pull complete' });
    expect(reports.at(-1)).to.deep.equal({ layers: 2, done: 2, bytes: 40, bytesTotal: 40 });
  });

  it('the progress is reported at most twice a second', () => {
    const { reports, progress, clock } = listen();
    for (let current = 0; current < 10_000; current += 1) {
      clock.ms += 1;
      progress.add({ id: 'a', status: 'Downloading', progressDetail: { current, total: 10_000 } });
    }
    expect(reports.length).to.equal(20);
  });

  it('unchanged progress is reported once, and messages that are not about layers are ignored', () => {
    const { reports, progress, clock } = listen();
    for (let time = 0; time < 5; time += 1) {
      clock.ms += 1_000;
      progress.add({ id: 'a', status: 'Waiting' });
      progress.add({ id: 'latest', status: 'Pulling from library/busybox' });
      progress.add({ status: 'Digest: sha256:…' });
    }
    expect(reports).to.deep.equal([{ layers: 1, done: 0, bytes: 0, bytesTotal: 0 }]);
  });

  it('the progress tracks at most a thousand layers', () => {
    const { reports, progress, clock } = listen();
    for (let layer = 0; layer < 1_200; layer += 1) progress.add({ id: String(layer), status: 'Waiting' });
    clock.ms += 1_000;
    progress.add({ id: '0', status: 'Downloading', progressDetail: { current: 1 } });
    expect(reports.at(-1)?.layers).to.equal(1_000);
  });
});

function listen(): { reports: PullStatus[]; clock: { ms: number }; progress: PullProgress } {
  const reports: PullStatus[] = [];
  const clock = { ms: 0 };
  return {
    reports,
    clock,
    progress: new PullProgress(
      (facts) => reports.push(facts),
      () => clock.ms,
    ),
  };
}
