// Compares the table "What stopping means" of docs/operations.md with the tests: each cell has a test of its own.

import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { readTable } from '../helpers/docs/markdown-tables.ts';

const files = ['test/process/stopping.test.ts', 'test/docker/stopping.test.ts'];

describe('the table of stopping', function () {
  this.timeout(60_000);

  it('each cell in "What stopping means" has a test whose title begins with its name', () => {
    const titles = listTitles();
    const cells = readTable('operations.md', 'What stopping means').flatMap(({ what, ...columns }) =>
      Object.keys(columns).map((column) => `stopping a ${what} ${column}: `),
    );
    expect(cells.filter((cell) => !titles.some((title) => title.startsWith(cell)))).to.deep.equal([]);
  });
});

/** Loads the test files in another process, without running them. Returns the full titles of their tests. */
function listTitles(): readonly string[] {
  const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--import=tsx', '--dry-run', '--reporter=json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...mocha, ...files], { encoding: 'utf8' });
  expect(status, stderr).to.equal(0);
  return (JSON.parse(stdout) as { readonly tests: readonly { readonly fullTitle: string }[] }).tests.map(
    ({ fullTitle }) => fullTitle,
  );
}
