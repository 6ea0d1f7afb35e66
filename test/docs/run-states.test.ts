// Compares the section "The run" of docs/protocol.md with the state table of runs.

import { expect } from 'chai';
import { runStates } from '../../protocol/run-record.ts';
import { nextState, runTable, runTransitions } from '../../protocol/run-states.ts';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

describe('the table of runs', () => {
  it('the protocol page shows the state table of runs', () => {
    const shown = readTable('protocol.md', 'The run').map((row) =>
      ['state', 'transition', 'next'].map((column) => stripMarkup(row[column]!)),
    );
    expect(shown).to.deep.equal(
      runStates.flatMap((state) =>
        Object.entries(runTable[state]).map(([transition, next]) => [state, transition, next]),
      ),
    );
  });

  it('every run state but the last can end, and no transition leads to an earlier state', () => {
    for (const state of runStates) {
      expect(nextState(state, 'end')).to.equal(state === 'ended' ? undefined : 'ended');
      for (const transition of runTransitions) {
        const next = nextState(state, transition);
        if (next !== undefined) expect(runStates.indexOf(next)).to.be.above(runStates.indexOf(state));
      }
    }
  });
});
