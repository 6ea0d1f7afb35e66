// docs/pin.md against the code: its routes, and the environment its words promise. Errors and events are compared where they are tested.

import { expect } from 'chai';
import { routes } from '../../server/doors/pin/routes/table.ts';
import { sources } from '../../server/doors/pin/runs/record.ts';
import { plain, tableUnder } from '../helpers/documents.ts';

describe('docs/pin.md', () => {
  it('has every route', () => {
    const documented = tableUnder('pin.md', 'Routes').map((row) => `${plain(row['method']!)} ${plain(row['path']!)}`);
    expect(documented).to.have.members(routes.map(({ method, path }) => `${method} ${path}`));
  });

  it('has every source of a run', () => {
    const row = tableUnder('pin.md', 'Records').find(({ field }) => plain(field!) === 'source');
    expect(plain(row!['meaning']!).split(', ')).to.have.members(sources);
  });
});
