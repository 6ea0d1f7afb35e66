// Tests how the outcome of a run follows from its stop, its result and its log.

import { expect } from 'chai';
import { decideOutcome, type StopRequest } from '../../server/runs/outcome.ts';

const returned = { type: 'returned', result: { exitCode: 0 } } as const;
const logFailure: StopRequest = {
  reason: 'storage',
  message: 'the output could not be stored: no space left on the disk',
};

describe('the outcome of a run', () => {
  it('C7: a cancelled run whose output could not be stored is cancelled, and its message says both', () => {
    expect(decideOutcome(returned, { reason: 'cancelled' }, logFailure)).to.deep.equal({
      outcome: 'cancelled',
      message: 'cancelled: client requested cancellation; the output could not be stored: no space left on the disk',
      exitCode: 0,
    });
  });

  it('C7: a run that succeeded before its output could not be stored has failed', () => {
    expect(decideOutcome(returned, undefined, logFailure)).to.include({
      outcome: 'failed',
      message: logFailure.message,
    });
  });

  it('C7: a run that was stopped because its output could not be stored says so once', () => {
    expect(decideOutcome(returned, logFailure, logFailure).message).to.equal(logFailure.message);
  });
});
