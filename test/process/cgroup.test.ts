// Tests limits of processes: with files in place of a cgroup, and with real cgroups where this machine permits that.

import { existsSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { expect } from 'chai';
import { createCgroups } from '../../server/process/cgroup/cgroups.ts';
import { findOwnCgroup, limitFiles } from '../../server/process/cgroup/hierarchy.ts';
import {
  cancel,
  createTestEngine,
  createTestRun,
  expectRejection,
  findLiving,
  inFolder,
  until,
} from '../helpers/process/test-process-engine.ts';
import { endlessGraceMs } from '../helpers/wait-until.ts';

/** Creates the files of a cgroup in which the gateway may create child cgroups. */
async function createCgroupFiles(folder: string, names = 'cpuset cpu io memory pids'): Promise<void> {
  await fs.writeFile(path.join(folder, 'cgroup.controllers'), `${names}\n`);
  await fs.writeFile(path.join(folder, 'cgroup.subtree_control'), `${names}\n`);
  await fs.writeFile(path.join(folder, 'cgroup.procs'), '');
}

describe('limits of a process', function () {
  this.timeout(60_000);

  it('the limits of a process become the files of its cgroup', () => {
    const values = limitFiles({ memoryBytes: 64 << 20, cpus: 1.5, pidsMax: 20 }).map(({ file, value }) => [
      file,
      value,
    ]);
    expect(values).to.deep.equal([
      ['memory.max', '67108864'],
      ['cpu.max', '150000 100000'],
      ['pids.max', '20'],
    ]);
  });

  it('a cgroup is in the journal before it exists, and its limits are set before the process starts', () =>
    inFolder(async (folder) => {
      await createCgroupFiles(folder);
      const { run } = createTestRun();
      const existed: boolean[] = [];
      const created = createCgroups({ own: { folder } }).open(
        {
          ...run.ports,
          openObligation: (kind, id, facts) => {
            existed.push(existsSync(String(facts?.['folder'])));
            return run.ports.openObligation(kind, id, facts);
          },
        },
        { memoryBytes: 1 << 20, pidsMax: 7 },
      );
      expect(existed).to.deep.equal([false]);
      expect(run.obligations.map(({ entry: { kind, id } }) => [kind, id])).to.deep.equal([['cgroup', 'cgroup-1']]);
      expect(readFileSync(path.join(created, 'memory.max'), 'utf8')).to.equal('1048576');
      expect(readFileSync(path.join(created, 'pids.max'), 'utf8')).to.equal('7');
    }));

  it('the gateway moves itself and its runs to a child cgroup, so that the next run can have limits', () =>
    inFolder(async (folder) => {
      await createCgroupFiles(folder);
      // Only the root cgroup lacks this file, so the gateway does not take the folder for the root cgroup.
      await fs.writeFile(path.join(folder, 'cgroup.events'), '');
      await fs.writeFile(path.join(folder, 'cgroup.subtree_control'), '');
      const running = createTestRun();
      const ended = running.engine.process(running.run.ports)({
        argv: ['sh', '-c', 'sleep 1000 & echo $$ $!; wait'],
      });
      await running.run.output.waitForText('\n');
      const pids = running.run.output.stdout().trim().split(' ');
      // The parent process of the tests belongs to another program, so it must stay in the cgroup.
      const listed = [process.pid, ...pids, process.ppid].map((pid) => `${pid}\n`);
      await fs.writeFile(path.join(folder, 'cgroup.procs'), listed.join(''));
      createCgroups({ own: { folder } }).open(createTestRun().run.ports, { pidsMax: 7 });
      const moved = readFileSync(path.join(folder, 'distillery-gateway', 'cgroup.procs'), 'utf8');
      expect(moved).to.equal(listed.slice(0, -1).join(''));
      expect(readFileSync(path.join(folder, 'cgroup.subtree_control'), 'utf8')).to.equal('+pids');
      await cancel(running);
      await ended;
    }));

  const missing: readonly (readonly [string, (folder: string) => Promise<void>, RegExp])[] = [
    ['without a controller', (folder) => createCgroupFiles(folder, 'cpu pids'), /has no controller memory(;|$)/],
    [
      'without the right to write',
      async () => {},
      /may not write to its cgroup .*; with systemd, set Delegate=yes(;|$)/,
    ],
  ];
  for (const [what, prepare, message] of missing) {
    it(`a process with limits does not start ${what}, and the message says why`, () =>
      inFolder(async (folder) => {
        await prepare(folder);
        const { engine, run } = createTestRun(undefined, { cgroups: createCgroups({ own: { folder } }) });
        const error = await expectRejection(engine.process(run.ports)({ argv: ['true'], memoryBytes: 1 << 20 }));
        expect(error.message).to.match(message);
        expect(engine.whyNoLimits()).to.match(message);
        expect(run.obligations).to.deep.equal([]);
      }));
  }

  it('a machine without a controller is known before a call with limits is made', () =>
    inFolder(async (folder) => {
      await createCgroupFiles(folder, 'cpu pids');
      const cgroups = createCgroups({ own: { folder } });
      expect(() => cgroups.check({ memoryBytes: 1 << 20 })).to.throw(
        /has no controller memory; remove them from the call, or see "Limits of processes" in docs\/operations\.md$/,
      );
      expect(() => cgroups.check({ pidsMax: 7 })).not.to.throw();
      expect(() => cgroups.check({})).not.to.throw();
    }));

  it('a process with limits does not start if posix_spawn is not in use', async () => {
    const { engine, run } = createTestRun(undefined, { starter: 'child_process' });
    const error = await expectRejection(engine.process(run.ports)({ argv: ['true'], pidsMax: 5 }));
    expect(error.message).to.match(/^cannot start "true": memory, cpus and pids need posix_spawn, which is not in use/);
  });
});

const own = findOwnCgroup();
const controllers = ['memory', 'cpu', 'pids'];

if ('folder' in own && canCreate(own.folder))
  describe('a process in a cgroup', function () {
    this.timeout(60_000);
    /** Sets only the limits whose controllers are available in the cgroup of the tests. */
    const cgroups = createCgroups({
      own,
      listFiles: (wanted) => limitFiles(wanted).filter(({ controller }) => offered(own.folder).includes(controller)),
    });
    const startIn = (stop?: Parameters<typeof createTestRun>[0]): ReturnType<typeof createTestRun> =>
      createTestRun(stop, { cgroups });
    const releasers = { process: createTestEngine({ cgroups }).release, cgroup: cgroups.release };
    const limits = { memoryBytes: 256 << 20, pidsMax: 50 } as const;

    it('a process and its descendants run in a cgroup that ends with the run', async () => {
      for (const user of [{}, { uid: 1234, gid: 4321 }]) {
        const { engine, run } = startIn();
        const script = 'cat /proc/self/cgroup; sh -c "cat /proc/self/cgroup"; id -u; exit 3';
        const exit = await engine.process(run.ports)({ argv: ['sh', '-c', script], ...limits, ...user });
        expect(exit).to.deep.equal({ exitCode: 3 });
        const [folder] = run.obligations.map(({ entry }) => String(entry.facts['folder']));
        const name = `/${path.basename(folder!)}`;
        expect(
          run.output
            .stdout()
            .split('\n')
            .filter((line) => line.startsWith('0::') && line.endsWith(name)),
        ).to.have.length(2);
        expect(run.output.stdout()).to.match(new RegExp(`^${user.uid ?? 0}$`, 'm'));
        expect(existsSync(folder!)).to.equal(true);
        const receipt = await run.releaseAll(releasers);
        expect(receipt.released.map(({ kind, how }) => [kind, how])).to.deep.equal([
          ['process', 'exited'],
          ['cgroup', 'removed'],
        ]);
        expect(existsSync(folder!)).to.equal(false);
      }
    });

    it('a run ends a process in its cgroup that has removed every mark of the run', async () => {
      const at = startIn({ signal: 'SIGTERM', graceMs: endlessGraceMs });
      const tag = `cgroup-${process.pid}-1`;
      const script =
        `ulimit -R unlimited; (env -i setsid sh -c "sleep 1000; true ${tag}" >/dev/null 2>&1 </dev/null &); ` +
        'echo started; exec sleep 1000';
      const ended = at.engine.process(at.run.ports)({ argv: ['bash', '-c', script], ...limits });
      await at.run.output.waitForText('started');
      await until('the process runs', () => findLiving(tag).length > 0);
      at.run.abort('cancelled');
      expect((await at.run.releaseAll(releasers)).clean).to.equal(true);
      expect(findLiving(tag)).to.deep.equal([]);
      await ended;
    });

    it('the journal entry of a cgroup is enough to end its processes and to remove it', async () => {
      const at = startIn();
      const ended = at.engine.process(at.run.ports)({
        argv: ['sh', '-c', 'trap "" TERM; echo started; sleep 1000'],
        ...limits,
      });
      await at.run.output.waitForText('started');
      const { entry } = at.run.obligations.find(({ entry: { kind } }) => kind === 'cgroup')!;
      const options = { stop: at.run.ports.stop, force: new AbortController().signal, pending: Promise.resolve() };
      expect(await createCgroups().release(entry, options)).to.deep.equal({ how: 'removed' });
      expect(existsSync(String(entry.facts['folder']))).to.equal(false);
      expect(await ended).to.deep.equal({ signal: 'SIGKILL' });
      expect(await createCgroups().release(entry, options)).to.deep.equal({ how: 'removed' });
      await at.run.releaseAll(releasers);
    });

    if (controllers.every((name) => offered(own.folder).includes(name))) {
      it('a process that exceeds its memory is killed, and the exit says so', async () => {
        for (const [memoryBytes, expected] of [
          [32 << 20, { signal: 'SIGKILL', oomKilled: true }],
          [128 << 20, { exitCode: 0 }],
        ] as const) {
          const { engine, run } = startIn();
          const argv = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=64M', 'count=1'] as const;
          expect(await engine.process(run.ports)({ argv, memoryBytes })).to.deep.equal(expected);
          await run.releaseAll(releasers);
        }
      });

      it('a process that uses more processor time than its limit is throttled', async () => {
        const { engine, run } = startIn();
        const script = 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done';
        await engine.process(run.ports)({ argv: ['sh', '-c', script], cpus: 0.05 });
        const { facts } = run.obligations.find(({ entry: { kind } }) => kind === 'cgroup')!.entry;
        expect(readFileSync(path.join(String(facts['folder']), 'cpu.stat'), 'utf8')).to.match(/^nr_throttled [1-9]/m);
        await run.releaseAll(releasers);
      });

      it('a process cannot start more processes than its limit', async () => {
        const { engine, run } = startIn();
        const script = 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait';
        await engine.process(run.ports)({ argv: ['sh', '-c', script], pidsMax: 4 });
        expect(run.output.stderr()).to.match(/fork/);
        await run.releaseAll(releasers);
      });
    }
  });

function offered(folder: string): readonly string[] {
  return readFileSync(path.join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
}

function canCreate(folder: string): boolean {
  return (
    createCgroups({ own: { folder }, listFiles: () => [] })
      .whyUnavailable()
      ?.includes('may not write') !== true
  );
}
