// Tests how a test run ends: it repeats its failures last, and it fails and names what keeps it running if it does not
// end by itself.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the end of a test run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'run-end-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a test file with this content, like `npm run test:unit -- FILE`. */
  function runTests(text: string): { readonly code: number | null; readonly output: string } {
    const file = join(folder, 'sample.test.mjs');
    writeFileSync(file, text);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '.ci/run-tests.ts', 'unit', file],
      { cwd: root, encoding: 'utf8', env: { ...process.env, DISTILLERY_TEST_END_MS: '100' } },
    );
    return { code: status, output: stdout + stderr };
  }

  it('a test run with a failed test repeats the failure at the end, without the number of failures', () => {
    const { code, output } = runTests(`
      it('a test passes', () => {});
      it('a test fails', () => { throw new Error('the value is 3'); });
    `);
    const [first, repeated] = output.split('# failures of the unit tests');
    expect(first).to.match(/1 passing[^]+1 failing[^]+the value is 3/);
    expect(repeated).to.match(/1\) a test fails:\s+Error: the value is 3/);
    expect(repeated).not.to.match(/failing/);
    expect(code).to.equal(1);
  });

  it('a test run that leaves a server and a child process open fails and names both', () => {
    const { code, output } = runTests(`
      import { spawn } from 'node:child_process';
      import { createServer } from 'node:net';
      function startTimer() {
        setTimeout(() => {}, 600_000);
      }
      it('a test passes', (done) => {
        startTimer();
        spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
        createServer().listen(0, '127.0.0.1', done);
      });
    `);
    expect(output.match(/1 passing/g)).to.have.length(1);
    expect(output).to.match(/the process still runs 100 ms after the last test/);
    expect(output).to.match(/process \d+: cat/);
    expect(output).to.match(/timer started at startTimer/);
    expect(output).to.match(/tcp 127\.0\.0\.1:\d+/);
    expect(code).to.equal(1);
  });

  it('a test run whose output another process keeps open fails and names that process', () => {
    const { code, output } = runTests(`
      import { spawn } from 'node:child_process';
      it('a test passes', () => spawn('sleep', ['60'], { stdio: 'inherit', detached: true }).unref());
    `);
    const [, pid] = /mocha has ended, but its output is open in:\n {2}process (\d+): sleep 60 \n/.exec(output) ?? [];
    expect(pid, output).to.be.a('string');
    process.kill(Number(pid), 'SIGKILL');
    expect(output).to.match(/1 passing/);
    expect(code).to.equal(1);
  });
});
