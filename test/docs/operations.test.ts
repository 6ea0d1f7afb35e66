// docs/operations.md against the code.

import { expect } from 'chai';
import { termination } from '../../server/process/termination.ts';
import { logLevels } from '../../server/support/log-output.ts';
import { readFileSync } from 'node:fs';
import { tableUnder } from '../helpers/documents.ts';

const signals = { stop: "the call's stop signal", SIGHUP: 'SIGHUP, repeated', SIGKILL: 'SIGKILL' } as const;

describe('the operations document', () => {
  it('shows how processes are ended as it is done', () => {
    const shown = tableUnder('operations.md', 'How processes are ended').map((row) => [row['kind'], row['step'], row['signal'], row['for']]);
    const done = Object.entries(termination).flatMap(([kind, steps]) => steps.map((step, i) => [kind, String(i + 1), signals[step.signal], lasting(kind, step.waitMs)]));
    expect(shown).to.deep.equal(done);
  });

  it('names the levels of the log', () => {
    expect(readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')).to.include(`\`${logLevels.join(' ')}\``);
  });
});

function lasting(kind: string, waitMs: 'grace' | number): string {
  if (waitMs === 'grace') return kind === 'terminal' ? 'the rest of the grace' : 'the grace';
  return waitMs >= 1000 ? `${waitMs / 1000} s` : `${waitMs} ms`;
}
