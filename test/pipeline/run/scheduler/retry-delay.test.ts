// Tests the delay before the next attempt of a job.

import { expect } from 'chai';
import { retryDelayMs } from '../../../../server/pipeline/run/scheduler/retry-delay.ts';

const constantDelay = { delayMs: 1_000, backoff: 1, jitter: 0 };

describe('the delay before the next attempt', () => {
  it('the delay is constant without a backoff', () => {
    expect([1, 2, 9].map((attempt) => retryDelayMs(constantDelay, attempt, 0.5))).to.deep.equal([1_000, 1_000, 1_000]);
  });

  it('pin defect 13: each delay is the previous one times the backoff, which may be a fraction', () => {
    expect([1, 2, 3].map((attempt) => retryDelayMs({ ...constantDelay, backoff: 2 }, attempt, 0.5))).to.deep.equal([
      1_000, 2_000, 4_000,
    ]);
    expect([1, 2, 3].map((attempt) => retryDelayMs({ ...constantDelay, backoff: 1.5 }, attempt, 0.5))).to.deep.equal([
      1_000, 1_500, 2_250,
    ]);
    expect(retryDelayMs({ ...constantDelay, backoff: 0.3 }, 3, 0.5)).to.equal(90);
  });

  it('the delay is at most one hour', () => {
    expect(retryDelayMs({ delayMs: 300_000, backoff: 10, jitter: 0 }, 9, 0.5)).to.equal(3_600_000);
  });

  it('the jitter shortens or lengthens the delay', () => {
    const withJitter = { ...constantDelay, jitter: 0.25 };
    expect([0, 0.5, 1].map((random) => retryDelayMs(withJitter, 1, random))).to.deep.equal([750, 1_000, 1_250]);
    expect(retryDelayMs({ ...constantDelay, jitter: 1 }, 1, 0)).to.equal(0);
  });
});
