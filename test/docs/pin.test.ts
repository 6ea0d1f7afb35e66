// Compares docs/pin.md with the code: routes and sources of runs. Other tests compare errors and events.

import { expect } from 'chai';
import { canonicalRoutes } from '../../server/compat/pin/routes/table.ts';
import { sources } from '../../server/compat/pin/runs/record.ts';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

describe('docs/pin.md', () => {
  it('the page of the pin API lists every route', () => {
    const documented = readTable('pin.md', 'Routes').map(
      (row) => `${stripMarkup(row['method']!)} ${stripMarkup(row['path']!)}`,
    );
    expect(documented).to.have.members(canonicalRoutes.map(({ method, path }) => `${method} ${path}`));
  });

  it('the page of the pin API lists every source of a run', () => {
    const row = readTable('pin.md', 'Records').find(({ field }) => stripMarkup(field!) === 'source');
    expect(stripMarkup(row!['meaning']!).split(', ')).to.have.members(sources);
  });
});
