// How long a job waits for its next try.

import { expect } from 'chai';
import { retryDelayMs } from '../../../server/pipeline/run/retry.ts';

const steady = { delayMs: 1_000, backoff: 1, jitter: 0 };

describe('the wait before the next try', () => {
  it('is the delay, every time', () => {
    expect([1, 2, 9].map((attempt) => retryDelayMs(steady, attempt, 0.5))).to.deep.equal([1_000, 1_000, 1_000]);
  });

  it('pin defect 13: grows by a backoff, whole or not, to the millisecond', () => {
    expect([1, 2, 3].map((attempt) => retryDelayMs({ ...steady, backoff: 2 }, attempt, 0.5))).to.deep.equal([1_000, 2_000, 4_000]);
    expect([1, 2, 3].map((attempt) => retryDelayMs({ ...steady, backoff: 1.5 }, attempt, 0.5))).to.deep.equal([1_000, 1_500, 2_250]);
    expect(retryDelayMs({ ...steady, backoff: 0.3 }, 3, 0.5)).to.equal(90);
  });

  it('is never more than an hour', () => {
    expect(retryDelayMs({ delayMs: 300_000, backoff: 10, jitter: 0 }, 9, 0.5)).to.equal(3_600_000);
  });

  it('is shorter or longer by up to the jitter', () => {
    const shaken = { ...steady, jitter: 0.25 };
    expect([0, 0.5, 1].map((random) => retryDelayMs(shaken, 1, random))).to.deep.equal([750, 1_000, 1_250]);
    expect(retryDelayMs({ ...steady, jitter: 1 }, 1, 0)).to.equal(0);
  });
});
