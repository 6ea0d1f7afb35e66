// What /proc says, and what we make of it.

import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { marksIn } from '../../server/process/environment.ts';
import { parseStat, readProcess, readProcesses } from '../../server/process/proc.ts';
import { createSurveyor } from '../../server/process/survey.ts';
import { signalOf, stepsFor, termination } from '../../server/process/termination.ts';
import { until } from './kit.ts';

const stat = (name: string, state = 'S', threads = 1): string =>
  `42 (${name}) ${state} 7 40 39 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 ${threads} 0 123456 0 0`;

describe('processes as the system tells them', () => {
  it('reads any name a program gives itself', () => {
    for (const name of ['sh', 'a b', '(sd-pam)', 'x) S 1 1 1', '']) {
      expect(parseStat(42, stat(name))).to.deep.equal({
        pid: 42, name, state: 'S', living: true, parent: 7, group: 40, session: 39, startTime: 123_456, kernel: false,
      });
    }
  });

  it('takes a zombie for gone, unless other threads of it live', () => {
    expect(parseStat(42, stat('x', 'Z'))?.living).to.equal(false);
    expect(parseStat(42, stat('x', 'X'))?.living).to.equal(false);
    expect(parseStat(42, stat('x', 'Z', 2))?.living).to.equal(true);
    expect(parseStat(42, stat('x', 'D'))?.living).to.equal(true);
  });

  it('takes nonsense for nothing', () => {
    for (const text of ['', '42', '42 (x', '42 (x) S 1']) expect(parseStat(42, text)).to.equal(undefined);
    expect(readProcess(0)).to.equal(undefined);
  });

  it('lists this very process', async () => {
    expect((await readProcesses()).get(process.pid)?.startTime).to.equal(readProcess(process.pid)?.startTime);
  });

  it('shares a survey among those who ask at once, and begins it after they asked', async () => {
    const survey = createSurveyor();
    const first = survey();
    await Promise.resolve();
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const [second, third] = [survey(), survey()];
    expect(await second).to.equal(await third);
    expect((await second).processes.has(child.pid ?? 0)).to.equal(true);
    await first;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    await until('a later survey knows', async () => !(await survey()).processes.has(child.pid ?? 0));
  });

  it('finds marks wherever they stand in an environment, and only whole ones', () => {
    expect(marksIn('A=1\0DISTILLERY_RUN=r\0DISTILLERY_PROCESS=p\0B=2\0')).to.deep.equal({ run: 'r', id: 'p' });
    expect(marksIn('DISTILLERY_RUN=r')).to.deep.equal({ run: 'r' });
    expect(marksIn('NOT_DISTILLERY_RUN=r\0A=DISTILLERY_RUN=r\0')).to.equal(undefined);
    expect(marksIn('')).to.equal(undefined);
  });
});

describe('the table of termination', () => {
  const policy = { signal: 'SIGTERM', graceMs: 1 } as const;

  it('asks, waits for the grace, and kills', () => {
    const told = (kind: keyof typeof termination): unknown => termination[kind].map((step) => [signalOf(step, policy), step.waitMs]);
    expect(told('process')).to.deep.equal([['SIGTERM', 'grace'], ['SIGKILL', 10_000]]);
    expect(told('terminal')).to.deep.equal([['SIGTERM', 100], ['SIGHUP', 'grace'], ['SIGKILL', 10_000]]);
  });

  it('only kills where there is no grace to be had', () => {
    expect(stepsFor('process', policy, true).map(({ signal }) => signal)).to.deep.equal(['SIGKILL']);
    expect(stepsFor('terminal', { signal: 'SIGKILL', graceMs: 9 }, false).map(({ signal }) => signal)).to.deep.equal(['SIGKILL']);
  });
});
