// Compares docs/operations.md with the code: termination steps and log levels.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { termination } from '../../server/process/termination.ts';
import { logLevels } from '../../server/support/create-logger.ts';
import { readTable } from '../helpers/docs/markdown-tables.ts';

const signals = { stop: "the call's stop signal", SIGHUP: 'SIGHUP, repeated', SIGKILL: 'SIGKILL' } as const;

describe('the operations document', () => {
  it('the operations page lists the termination steps of the code', () => {
    const shown = readTable('operations.md', 'How processes are ended').map((row) => [
      row['kind'],
      row['step'],
      row['signal'],
      row['for'],
    ]);
    const done = Object.entries(termination).flatMap(([kind, steps]) =>
      steps.map((step, i) => [kind, String(i + 1), signals[step.signal], releaseDuration(kind, step.waitMs)]),
    );
    expect(shown).to.deep.equal(done);
  });

  it('the operations page names all log levels', () => {
    expect(readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')).to.include(
      `\`${logLevels.join(' ')}\``,
    );
  });
});

function releaseDuration(kind: string, waitMs: 'grace' | number): string {
  if (waitMs === 'grace') return kind === 'terminal' ? 'the rest of the grace' : 'the grace';
  return waitMs >= 1000 ? `${waitMs / 1000} s` : `${waitMs} ms`;
}
