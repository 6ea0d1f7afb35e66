// Tests the rows of "What stopping means" (docs/operations.md) for processes, terminals and host jobs: a test per cell.

import { expect } from 'chai';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import type { Receipt } from '../../protocol/run-record.ts';
import { openTestPipelineEngine, type TestPipelineEngine } from '../helpers/pipeline/test-pipeline-engine.ts';
import { cancel, createTestRun, findLiving, until } from '../helpers/process/test-process-engine.ts';
import { endlessGraceMs } from '../helpers/wait-until.ts';

/** A started bash script. */
interface Started {
  stdout(): string;
  cancel(): Promise<Receipt>;
}

type Start = (script: string, stop: StopPolicy) => Promise<Started>;

/** A loop that handles signals quickly, because the shell waits only for a short-lived child. */
const stay = 'echo ready; while :; do sleep 0.01; done';
const patient = { signal: 'SIGTERM', graceMs: endlessGraceMs } as const;
let tags = 0;

async function startProcess(script: string, stop: StopPolicy): Promise<Started> {
  const at = createTestRun(stop);
  const ended = at.engine.process(at.run.ports)({ argv: ['bash', '-c', script] });
  return { stdout: () => at.run.output.stdout(), cancel: () => cancel(at).finally(() => ended) };
}

async function startTerminal(script: string, stop: StopPolicy): Promise<Started> {
  const at = createTestRun(stop);
  const ended = at.engine.terminal(at.run.ports)({ argv: ['bash', '-c', script], cols: 80, rows: 24 });
  return { stdout: () => at.run.output.stdout(), cancel: () => cancel(at).finally(() => ended) };
}

describe('stopping a process', () => describeRow(() => startProcess));

describe('stopping a terminal', () => {
  describeRow(() => startTerminal, { isTerminal: true });
});

describe('stopping a host job', () => {
  let engine: TestPipelineEngine;
  before(async () => {
    engine = await openTestPipelineEngine();
  });
  after(() => engine.close());

  describeRow(() => async (script, stop) => {
    const { run, cancel: cancelJob } = await engine.start('a: { host: true, script: exec bash ./script }', {
      allow: { hostJobs: true },
      files: { script },
      stop,
    });
    return { stdout: () => run.output.parts.get('a')?.stdout() ?? '', cancel: cancelJob };
  });
});

function describeRow(getStart: () => Start, { isTerminal = false } = {}): void {
  /** Starts the script, waits until it has printed `ready` the given number of times, and cancels it. */
  const stop = async (
    script: string,
    { policy = patient, ready = 1 }: { policy?: StopPolicy; ready?: number } = {},
  ): Promise<{ readonly stdout: string; readonly receipt: Receipt }> => {
    const started = await getStart()(script, policy);
    await until('the script is ready', () => started.stdout().split('ready').length > ready);
    const receipt = await started.cancel();
    return { stdout: started.stdout().replaceAll('\r', ''), receipt };
  };
  const lastSignal = ({ released }: Receipt): unknown => released.find(({ kind }) => kind === 'process')?.how;

  it(`signal: a program gets the stop signal of the call${isTerminal ? ', then repeated SIGHUP' : ''}`, async () => {
    const policy = { signal: 'SIGUSR1', graceMs: endlessGraceMs } as const;
    const script = isTerminal
      ? `trap 'echo got USR1' USR1; trap 'echo got HUP; ((n += 1)); ((n < 3)) || exit 0' HUP; ${stay}`
      : `trap 'echo got USR1; exit 0' USR1; ${stay}`;
    const { stdout, receipt } = await stop(script, { policy });
    expect(stdout).to.match(isTerminal ? /got USR1\n(?:[^]*got HUP\n){3}/ : /got USR1\n/);
    expect(lastSignal(receipt)).to.equal(isTerminal ? 'SIGHUP' : 'SIGUSR1');
  });

  it('whom it reaches: the group and processes without any trace of the run receive the stop signal', async () => {
    const handle = (text: string): string => `trap '' HUP; trap 'echo ${text}; exit 0' TERM; ${stay}`;
    const script = [
      `(${handle('in the group')}) &`,
      `env -i setsid bash -c "${handle('in another session')}" &`,
      `(env -i setsid bash -c "${handle('without parent')}" &)`,
      handle('leader'),
    ].join('\n');
    const { stdout } = await stop(script, { ready: 4 });
    for (const text of ['in the group', 'in another session', 'without parent', 'leader'])
      expect(stdout.split(`${text}\n`), text).to.have.length(2);
  });

  it('grace: a program has the grace of the call to clean up', async () => {
    const script = `trap '' HUP; trap 'sleep 0.3; echo cleaned; exit 0' TERM; ${stay}`;
    const { stdout, receipt } = await stop(script);
    expect(stdout).to.contain('cleaned\n');
    expect(lastSignal(receipt)).to.equal(isTerminal ? 'SIGHUP' : 'SIGTERM');
  });

  it('kill: SIGKILL ends each process that is left after the grace', async () => {
    const tag = `stopping-${process.pid}-${(tags += 1)}`;
    const ignore = `trap '' TERM HUP; true ${tag}; ${stay}`;
    const { receipt } = await stop(`env -i setsid bash -c "${ignore}" & ${ignore}`, {
      policy: { signal: 'SIGTERM', graceMs: 200 },
      ready: 2,
    });
    expect(lastSignal(receipt)).to.equal('SIGKILL');
    expect(findLiving(tag)).to.deep.equal([]);
  });

  it('verification: the receipt follows when no process is left, even if a program starts new ones', async () => {
    const tag = `stopping-${process.pid}-${(tags += 1)}`;
    const script = [
      `trap '' TERM HUP; echo ready`,
      `for i in $(seq 200); do setsid bash -c "trap '' TERM HUP; sleep 5; true ${tag}" & sleep 0.005; done`,
      'wait',
    ].join('\n');
    const { receipt } = await stop(script, { policy: { signal: 'SIGTERM', graceMs: 300 } });
    expect(receipt.clean).to.equal(true);
    expect(findLiving(tag)).to.deep.equal([]);
  });
}
