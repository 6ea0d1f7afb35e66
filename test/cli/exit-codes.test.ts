import { expect } from 'chai';
import type { CallResult } from '../../protocol/client.ts';
import { exitCodeOf } from '../../server/cli/exit-codes.ts';

const rows: readonly (readonly [what: string, result: Omit<CallResult, 'success'>, code: number])[] = [
  ['success', { status: 'succeeded', exitCode: 0 }, 0],
  ['a failure with a code', { status: 'failed', exitCode: 7 }, 7],
  ['a failure by a signal', { status: 'failed', signal: 'SIGKILL' }, 137],
  ['a failure by a signal without a number here', { status: 'failed', signal: 'SIGNOTHING' }, 128],
  ['a failure without a code', { status: 'failed', message: 'no such program' }, 1],
  ['a failure although the code is 0', { status: 'failed', exitCode: 0 }, 1],
  ['a failure with a code that no shell can show', { status: 'failed', exitCode: 3_221_225_477 }, 1],
  ['a cancelled run, whatever its code', { status: 'cancelled', exitCode: 143 }, 130],
  ['a timeout', { status: 'timed-out', signal: 'SIGTERM' }, 124],
  ['a rejection', { status: 'rejected' }, 2],
  ['the unknown', { status: 'unknown' }, 125],
];

describe('the exit code of a call', () => {
  for (const [what, result, code] of rows) {
    it(`is ${code} for ${what}`, () => {
      expect(exitCodeOf({ success: result.status === 'succeeded', ...result })).to.equal(code);
    });
  }
});
