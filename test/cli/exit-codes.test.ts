// Tests the exit code of `distillery call` for each result.

import { expect } from 'chai';
import type { ClientResult } from '../../protocol/client/client.ts';
import { exitCodeForResult } from '../../server/cli/exit-codes.ts';

const rows: readonly (readonly [what: string, result: Omit<ClientResult, 'success'>, code: number])[] = [
  ['success', { status: 'succeeded', exitCode: 0 }, 0],
  ['a failure with a code', { status: 'failed', exitCode: 7 }, 7],
  ['a failure by a signal', { status: 'failed', signal: 'SIGKILL' }, 137],
  ['a failure by a signal without a number on this system', { status: 'failed', signal: 'SIGNOTHING' }, 128],
  ['a failure without a code', { status: 'failed', message: 'no such program' }, 1],
  ['a failure despite exit code 0', { status: 'failed', exitCode: 0 }, 1],
  ['a failure with a code that a shell cannot show', { status: 'failed', exitCode: 3_221_225_477 }, 1],
  ['a cancelled run, whatever its code', { status: 'cancelled', exitCode: 143 }, 130],
  ['a timeout', { status: 'timed-out', signal: 'SIGTERM' }, 124],
  ['a rejection', { status: 'rejected' }, 2],
  ['an unknown outcome', { status: 'unknown' }, 125],
];

describe('the exit code of a call', () => {
  it('T10: the exit code is 125 for a run that a storage failure has ended', () => {
    for (const end of [{ signal: 'SIGTERM' }, { exitCode: 0 }, { exitCode: 7 }, {}])
      expect(exitCodeForResult({ success: false, status: 'failed', storageFailed: true, ...end })).to.equal(125);
  });

  for (const [what, result, code] of rows) {
    it(`the exit code is ${code} for ${what}`, () => {
      expect(exitCodeForResult({ success: result.status === 'succeeded', ...result })).to.equal(code);
    });
  }
});
