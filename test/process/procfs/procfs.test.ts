// Tests the readers of /proc, the process scanner, the markers of processes, and the termination table.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { parseMarkers } from '../../../server/process/environment.ts';
import { createScanner } from '../../../server/process/procfs/process-scan.ts';
import { parseStat, readProcess, readProcesses } from '../../../server/process/procfs/procfs.ts';
import { signalForStep, stepsFor, termination } from '../../../server/process/termination.ts';
import { until } from '../../helpers/process/test-process-engine.ts';

const stat = (name: string, state = 'S', threads = 1): string =>
  `42 (${name}) ${state} 7 40 39 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 ${threads} 0 123456 0 0`;

describe('procfs readers', () => {
  it('parseStat reads any program name', () => {
    for (const name of ['sh', 'a b', '(sd-pam)', 'x) S 1 1 1', '']) {
      expect(parseStat(42, stat(name))).to.deep.equal({
        pid: 42,
        name,
        state: 'S',
        living: true,
        parent: 7,
        group: 40,
        session: 39,
        startTime: 123_456,
        kernel: false,
      });
    }
  });

  it('parseStat treats a zombie as ended unless it has other living threads', () => {
    expect(parseStat(42, stat('x', 'Z'))?.living).to.equal(false);
    expect(parseStat(42, stat('x', 'X'))?.living).to.equal(false);
    expect(parseStat(42, stat('x', 'Z', 2))?.living).to.equal(true);
    expect(parseStat(42, stat('x', 'D'))?.living).to.equal(true);
  });

  it('parseStat returns undefined for invalid text', () => {
    for (const text of ['', '42', '42 (x', '42 (x) S 1']) expect(parseStat(42, text)).to.equal(undefined);
    expect(readProcess(0)).to.equal(undefined);
  });

  it('readProcesses includes the calling process', async () => {
    expect((await readProcesses()).get(process.pid)?.startTime).to.equal(readProcess(process.pid)?.startTime);
  });

  it('simultaneous requests share a scan, and no request gets a scan that began before it', async () => {
    const scan = createScanner();
    const first = scan();
    await Promise.resolve();
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const [second, third] = [scan(), scan()];
    expect(await second).to.equal(await third);
    expect((await second).processes.has(child.pid ?? 0)).to.equal(true);
    await first;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    await until('a later scan lacks the process', async () => !(await scan()).processes.has(child.pid ?? 0));
  });

  it('parseMarkers finds markers anywhere in an environment, but only complete ones', () => {
    expect(parseMarkers('A=1\0DISTILLERY_RUN=r\0DISTILLERY_PROCESS=p\0B=2\0')).to.deep.equal({ run: 'r', id: 'p' });
    expect(parseMarkers('DISTILLERY_RUN=r')).to.deep.equal({ run: 'r' });
    expect(parseMarkers('NOT_DISTILLERY_RUN=r\0A=DISTILLERY_RUN=r\0')).to.equal(undefined);
    expect(parseMarkers('')).to.equal(undefined);
  });
});

describe('the termination table', () => {
  const policy = { signal: 'SIGTERM', graceMs: 1 } as const;

  it('the termination steps are the stop signal, SIGHUP for a terminal, and SIGKILL', () => {
    const listSteps = (kind: keyof typeof termination): unknown =>
      termination[kind].map((step) => [signalForStep(step, policy), step.waitMs]);
    expect(listSteps('process')).to.deep.equal([
      ['SIGTERM', 'grace'],
      ['SIGKILL', 10_000],
    ]);
    expect(listSteps('terminal')).to.deep.equal([
      ['SIGTERM', 100],
      ['SIGHUP', 'grace'],
      ['SIGKILL', 10_000],
    ]);
  });

  it('a forced release, or one with the stop signal SIGKILL, has SIGKILL as its only step', () => {
    expect(stepsFor('process', policy, true).map(({ signal }) => signal)).to.deep.equal(['SIGKILL']);
    expect(stepsFor('terminal', { signal: 'SIGKILL', graceMs: 9 }, false).map(({ signal }) => signal)).to.deep.equal([
      'SIGKILL',
    ]);
  });
});
