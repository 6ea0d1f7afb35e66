// Tests processes that start at the same time: each has its own mark, and their starts do not affect the gateway or
// other processes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { expect } from 'chai';
import { type ProcessSpec, WorkLost } from '../../calls/contract/engines.ts';
import { readLimitMark } from '../../server/process/procfs/limit-mark.ts';
import { readProcess } from '../../server/process/procfs/procfs.ts';
import { loadLibc } from '../../server/process/start/libc.ts';
import { StartThread } from '../../server/process/start/start-thread.ts';
import { getStarter } from '../../server/process/start/starter.ts';
import {
  cancel,
  createTestRun,
  expectRejection,
  forEachStarter,
  inFolder,
  type TestRun,
  until,
} from '../helpers/process/test-process-engine.ts';

const count = 30;

function startAll(specs: readonly ProcessSpec[]): { readonly at: TestRun; readonly ended: Promise<unknown> }[] {
  return specs.map((spec) => {
    const at = createTestRun();
    return { at, ended: at.engine.process(at.run.ports)(spec) };
  });
}

const pidOf = ({ run }: TestRun): number | undefined => run.obligations[0]?.entry.facts['pid'] as number | undefined;

describe('starts at the same time', function () {
  this.timeout(60_000);

  it('each process has the mark of its own obligation, also one that only child_process can start', () =>
    inFolder(async (folder) => {
      // The other user must be able to enter the folder and its parents.
      await fs.chmod(folder, 0o755);
      // posix_spawn cannot start a script without an interpreter line as another user.
      const script = path.join(folder, 'script');
      await fs.writeFile(script, 'exec sleep 1000\n', { mode: 0o755 });
      const runs = startAll(
        Array.from({ length: count }, (_, at) =>
          at % 5 === 4 ? { argv: [script], uid: 1234 } : { argv: ['sleep', '1000'] },
        ),
      );
      await until('all processes run', () => runs.every(({ at }) => pidOf(at) !== undefined));
      for (const { at } of runs) expect(readLimitMark(pidOf(at)!)).to.equal(at.run.obligations[0]!.entry.facts['mark']);
      for (const { at, ended } of runs) {
        expect((await cancel(at)).clean).to.equal(true);
        await ended;
      }
    }, '/tmp'));

  it('when the start thread ends, starts in progress reject, and child_process performs later starts', async () => {
    const thread = new StartThread(loadLibc(), '/no/such/library');
    const command = {
      file: '/bin/true',
      argv: ['true'],
      env: {},
      stdio: [0, 1, 2],
      newSession: true,
    } as const;
    expect(await expectRejection(thread.spawn(command))).to.include({ code: 'EINTR' });
    expect(await thread.spawn(command)).to.equal(undefined);
    expect(await thread.startWithoutThread(() => 'started')).to.equal('started');
  });

  it('the end of a run spares a process that child_process has started at the same time', async () => {
    const children: ChildProcess[] = [];
    const runs = Array.from({ length: count }, () => {
      const [run] = startAll([{ argv: ['sleep', '1000'] }]);
      // The start of the run is in progress.
      children.push(spawn('sleep', ['1000'], { stdio: 'ignore' }));
      return run!;
    });
    try {
      await until('all processes run', () => runs.every(({ at }) => pidOf(at) !== undefined));
      for (const { at, ended } of runs) {
        expect((await cancel(at)).clean).to.equal(true);
        await ended;
      }
      expect(children.filter(({ pid }) => readProcess(pid!)?.living !== true)).to.deep.equal([]);
    } finally {
      for (const child of children) {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
    }
  });

  it('a process that other code reaps ends its run with an unknown exit code', async () => {
    const [{ at, ended }] = startAll([{ argv: ['sleep', '1000'] }]) as [ReturnType<typeof startAll>[number]];
    await until('the process runs', () => pidOf(at) !== undefined);
    const failed = expectRejection(ended);
    const libc = loadLibc();
    process.kill(pidOf(at)!, 'SIGKILL');
    // Block the event loop, so that the gateway cannot reap the process first.
    while (libc.reap(pidOf(at)!) === 'running');
    const error = await failed;
    expect(error).to.be.instanceOf(WorkLost);
    expect(error.message).to.equal('other code in the gateway has read the exit code of the process');
    expect((await cancel(at)).clean).to.equal(true);
  });

  it('the gateway forgets a parentless process that other code reaps', async () => {
    const at = createTestRun();
    const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', '(setsid sleep 1000 & echo $!); exec cat'] });
    await at.run.output.waitForText('\n');
    const pid = Number(at.run.output.stdout());
    await until('the process belongs to this process', () => readProcess(pid)?.parent === process.pid);
    const reaper = getStarter().reaper!;
    reaper.adopt(pid);
    expect(reaper.awaitedCount).to.equal(2);
    process.kill(pid, 'SIGKILL');
    const libc = loadLibc();
    while (libc.reap(pid) === 'running');
    await until('the reaper waits only for the leader', () => reaper.awaitedCount === 1);
    at.run.endInput();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(reaper.awaitedCount).to.equal(0);
  });

  forEachStarter(() => {
    it('a file that the gateway creates during starts gets the umask of the gateway, not that of a call', () =>
      inFolder(async (folder) => {
        const runs = startAll(Array.from({ length: count }, () => ({ argv: ['true'], umask: 0o777 })));
        let starting = true;
        const ended = Promise.all(runs.map((run) => run.ended)).then(() => {
          starting = false;
        });
        let files = 0;
        for (; starting; files += 1) {
          await fs.writeFile(path.join(folder, String(files)), '');
          const { mode } = await fs.stat(path.join(folder, String(files)));
          expect(mode & 0o777).to.equal(0o666 & ~process.umask());
        }
        expect(files).to.be.greaterThan(0);
        await ended;
      }));

    it('a run that is cancelled during its start leaves no process', async () => {
      const runs = startAll(Array.from({ length: count }, () => ({ argv: ['sleep', '1000'] })));
      const receipts = await Promise.all(runs.map(({ at }) => cancel(at)));
      expect(receipts.filter(({ clean }) => !clean)).to.deep.equal([]);
      await Promise.all(runs.map(({ ended }) => ended));
      for (const { at } of runs) expect(readProcess(pidOf(at)!)?.living ?? false).to.equal(false);
    });
  });
});
