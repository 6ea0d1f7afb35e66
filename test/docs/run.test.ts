// The section "The run" of docs/protocol.md against the table of runs.

import { expect } from 'chai';
import { runStates } from '../../protocol/record.ts';
import { nextState, runMoves, runTable } from '../../protocol/run-states.ts';
import { plain, tableUnder } from '../helpers/documents.ts';

describe('the table of runs', () => {
  it('is shown in the protocol document as it is', () => {
    const shown = tableUnder('protocol.md', 'The run').map((row) => ['state', 'move', 'next'].map((column) => plain(row[column]!)));
    expect(shown).to.deep.equal(runStates.flatMap((state) => Object.entries(runTable[state]).map(([move, next]) => [state, move, next])));
  });

  it('leads from every state but the last to the end, and never back', () => {
    for (const state of runStates) {
      expect(nextState(state, 'end')).to.equal(state === 'ended' ? undefined : 'ended');
      for (const move of runMoves) {
        const next = nextState(state, move);
        if (next !== undefined) expect(runStates.indexOf(next)).to.be.above(runStates.indexOf(state));
      }
    }
  });
});
