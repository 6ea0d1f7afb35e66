// Tests the example distillery.yaml of this repository.

import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { kinds } from '../../calls/kinds.ts';
import { formatDiagnostics } from '../../calls/text/format-diagnostics.ts';
import { loadConfig } from '../../server/config/load/load.ts';

const file = fileURLToPath(new URL('../../distillery.yaml', import.meta.url));

describe('the example distillery.yaml', () => {
  it('the example distillery.yaml is valid, enables the API, and has a call of every kind', async () => {
    const loaded = await loadConfig(file);
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
    const { http, calls, systems } = loaded.config;
    expect(http).to.deep.include({ api: true, host: '127.0.0.1', port: 8080 });
    expect(calls.map(({ kind }) => kind)).to.include.members(kinds.map(({ name }) => name));
    expect(systems).not.to.have.length(0);
  });

  it('the file names of the news in docs/news begin with a date', async () => {
    const names = await readdir(new URL('../../docs/news/', import.meta.url));
    expect(names).not.to.have.length(0);
    expect(
      names.every((name) => /^\d{4}-\d\d-\d\d-[a-z0-9-]+\.md$/.test(name)),
      names.join(),
    ).to.equal(true);
  });
});
