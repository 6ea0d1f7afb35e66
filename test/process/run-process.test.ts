// Tests real processes from their start to their last byte of output.

import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { WorkFailed } from '../../calls/contract/engines.ts';
import {
  cancel,
  countOpenFiles,
  createTestEngine,
  createTestRun,
  expectRejection,
  findLiving,
  forEachStarter,
  inFolder,
  outputDrainMs,
  until,
  waitUntilStable,
} from '../helpers/process/test-process-engine.ts';

const root = process.getuid?.() === 0;

forEachStarter(() => {
  describe('running a process', function () {
    this.timeout(60_000);

    it('a process returns its exit code and both output streams', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      run.endInput();
      const exit = await start(run.ports)({ argv: ['sh', '-c', 'echo out; echo err >&2; exit 3'] });
      expect(exit).to.deep.equal({ exitCode: 3 });
      expect(run.output.stdout()).to.equal('out\n');
      expect(run.output.stderr()).to.equal('err\n');
      expect(run.output.ended).to.deep.equal({ stdout: true, stderr: true });
    });

    it("a process starts although all of Node's file threads are blocked", () =>
      inFolder(async (folder) => {
        const fifo = path.join(folder, 'fifo');
        await promisify(execFile)('mkfifo', [fifo]);
        // Opening a FIFO that has no writer blocks a thread of Node's thread pool.
        const readers = Array.from({ length: 64 }, () => fs.open(fifo, 'r'));
        const {
          engine: { process: start },
          run,
        } = createTestRun();
        void start(run.ports)({ argv: ['sh', '-c', 'echo ready'], cwd: folder });
        const outcome = await run.output.waitForText('ready', 'stdout', 5_000).then(
          () => 'ready',
          (error: unknown) => error,
        );
        const writer = openSync(fifo, constants.O_RDWR);
        for (const reader of await Promise.all(readers)) await reader.close();
        closeSync(writer);
        expect(outcome).to.equal('ready');
        await run.releaseAll({ process: createTestEngine().release });
      }));

    it('a process returns the signal that ended it', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      expect(await start(run.ports)({ argv: ['sh', '-c', 'kill -ABRT $$'] })).to.deep.equal({ signal: 'SIGABRT' });
    });

    it('a process receives its arguments unchanged', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const args = [
        'two words',
        '"quoted"',
        "it's",
        '$(touch nope)',
        '`id`',
        '--help',
        '-n',
        '*',
        'new\nline',
        '',
        'ünï',
        '${HOME}',
        '\\',
      ];
      await start(run.ports)({
        argv: [process.execPath, '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...args],
      });
      expect(JSON.parse(run.output.stdout())).to.deep.equal(args);
    });

    it('output with NUL bytes and invalid UTF-8 reaches the log unchanged', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const bytes = Buffer.from([0, 1, 0xff, 0xfe, 10, 0, 0xc3]);
      run.sendInput(bytes);
      run.endInput();
      await start(run.ports)({ argv: ['cat'] });
      expect(run.output.bytes('stdout').equals(bytes)).to.equal(true);
    });

    it('a process receives the allowed environment, the variables of its call, and the markers', async () => {
      process.env['DISTILLERY_TEST_SECRET'] = 'hidden';
      const {
        engine: { process: start },
        run,
        id,
      } = createTestRun(undefined, { environment: ['PATH', 'NOT_THERE'] });
      await start(run.ports)({ argv: ['env'], env: { LANG: 'C.UTF-8', DISTILLERY_RUN: 'forged' } });
      delete process.env['DISTILLERY_TEST_SECRET'];
      expect(run.output.stdout().trim().split('\n').sort()).to.deep.equal(
        [
          `PATH=${process.env['PATH']}`,
          'LANG=C.UTF-8',
          'SHLVL=1',
          `DISTILLERY_RUN=${id}`,
          'DISTILLERY_PROCESS=process-1',
        ].sort(),
      );
    });

    it("bash does not run the user's .bashrc", () =>
      inFolder(async (folder) => {
        await fs.writeFile(path.join(folder, '.bashrc'), 'echo from .bashrc');
        const {
          engine: { process: start },
          run,
        } = createTestRun();
        await start(run.ports)({ argv: ['bash', '-c', 'echo hello'], env: { HOME: folder } });
        expect(run.output.stdout()).to.equal('hello\n');
      }));

    it('a process leads its own session and group', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      await start(run.ports)({ argv: ['sh', '-c', 'cut -d" " -f5,6 /proc/$$/stat; echo $$'] });
      const [group, session, pid] = run.output.stdout().trim().split(/\s/);
      expect([group, session]).to.deep.equal([pid, pid]);
    });

    it('a process is in the journal before its start, and the entry then gets its pid and start time', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      await start(run.ports)({ argv: ['true'] });
      await start(run.ports)({ argv: ['true'] });
      expect(run.obligations.map(({ entry }) => entry.id)).to.deep.equal(['process-1', 'process-2']);
      expect(run.obligations[0]?.entry.facts['pid']).to.be.greaterThan(1);
      expect(run.obligations[0]?.entry.facts['startTime']).to.be.greaterThan(1);
      expect(run.obligations[0]?.entry.facts['program']).to.equal('true');
    });

    it('a process runs in its working folder', async () => {
      await inFolder(async (folder) => {
        const {
          engine: { process: start },
          run,
        } = createTestRun();
        await start(run.ports)({ argv: ['pwd', '-P'], cwd: folder });
        expect(run.output.stdout().trim()).to.equal(await fs.realpath(folder));
      });
    });

    it('a process runs with the umask, user and group of its call', async () => {
      if (!root) throw new Error('this test starts programs as another user; run the tests as root');
      await inFolder(async (folder) => {
        await fs.chmod(folder, 0o777);
        const {
          engine: { process: start },
          run,
        } = createTestRun();
        await start(run.ports)({
          argv: ['sh', '-c', 'id -u; id -g; id -G; umask; touch file'],
          cwd: folder,
          uid: 1234,
          gid: 4321,
          umask: 0o027,
        });
        expect(run.output.stdout().trim().split('\n')).to.deep.equal(['1234', '4321', '4321', '0027']);
        const made = await fs.stat(path.join(folder, 'file'));
        expect([made.uid, made.gid, made.mode & 0o777]).to.deep.equal([1234, 4321, 0o640]);
      });
    });

    it("starting a process does not change the gateway's umask", async () => {
      const before = process.umask();
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      await start(run.ports)({ argv: ['true'], umask: 0o077 });
      await expectRejection(start(run.ports)({ argv: ['no-such-program'], umask: 0o077 }));
      expect(process.umask()).to.equal(before);
    });

    it('a process receives the end of its input', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const ended = start(run.ports)({ argv: ['wc', '-c'] });
      run.sendInput('hello ');
      run.sendInput('world');
      run.endInput();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(run.output.stdout().trim()).to.equal('11');
      expect(run.input.takenBytes).to.equal(11);
    });

    it('many small pieces of input arrive complete and in order', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const pieces = Array.from({ length: 50_000 }, (_, at) => `line ${at}\n`);
      for (const piece of pieces) run.sendInput(piece);
      run.endInput();
      await start(run.ports)({ argv: ['cat'] });
      expect(run.output.stdout()).to.equal(pieces.join(''));
      expect(run.input.takenBytes).to.equal(Buffer.byteLength(pieces.join('')));
    });

    it('input flows only as fast as the process reads', async () => {
      const at = createTestRun();
      const ended = at.engine.process(at.run.ports)({ argv: ['sleep', '1000'] });
      for (let times = 0; times < 64; times += 1) at.run.sendInput(Buffer.alloc(64 << 10));
      await until('the pipe is full', () => at.run.input.takenBytes > 0);
      await cancel(at);
      await ended;
      expect(at.run.input.takenBytes).to.be.lessThan(1 << 20);
      expect(at.run.input.discarded).to.equal(true);
    });

    it('a process may close its input early while more input arrives', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const ended = start(run.ports)({ argv: ['sh', '-c', 'exec <&-; echo closed; sleep 0.3; echo still here'] });
      await run.output.waitForText('closed');
      const feeding = setInterval(() => run.sendInput(Buffer.alloc(64 << 10)), 1);
      expect(await ended).to.deep.equal({ exitCode: 0 });
      clearInterval(feeding);
      expect(run.output.stdout()).to.equal('closed\nstill here\n');
      expect(run.input.discarded).to.equal(true);
    });

    it('a process waits while the disk is behind, and no output is lost', async () => {
      const at = createTestRun();
      at.run.output.block();
      const ended = at.engine.process(at.run.ports)({
        argv: ['sh', '-c', 'head -c 500000000 /dev/zero; echo done >&2'],
      });
      await until('output has arrived', () => at.run.output.bytes('stdout').length > 0);
      expect(await waitUntilStable(() => at.run.output.bytes('stdout').length)).to.be.lessThan(1 << 20);
      let bytes = 0;
      at.run.ports.output.write = (_stream, chunk) => {
        bytes += chunk.byteLength;
      };
      bytes += at.run.output.bytes('stdout').length;
      at.run.output.unblock();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(bytes).to.equal(500_000_000 + 'done\n'.length);
    });

    it('the last output of a process reaches the log even if the disk is behind at its exit', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      run.output.block();
      const ended = start(run.ports)({ argv: ['sh', '-c', 'echo first; sleep 0.05; echo second; echo third >&2'] });
      await until(
        'the process has ended',
        () => findLiving(run.ports.run).length === 0 && run.obligations.length === 1,
      );
      await waitUntilStable(() => run.output.stdout(), 2 * outputDrainMs);
      run.output.unblock();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(run.output.stdout() + run.output.stderr()).to.equal('first\nsecond\nthird\n');
    });

    it('a hundred simultaneous processes lose no output', async () => {
      const { process: start, release } = createTestEngine();
      const ends = await Promise.all(
        Array.from({ length: 100 }, async (_, at) => {
          const { run } = createTestRun();
          const exit = await start(run.ports)({ argv: ['sh', '-c', `echo begin; seq 1 2000; exit ${at}`] });
          const receipt = await run.releaseAll({ process: release });
          return { exit, lines: run.output.stdout().split('\n').length - 1, how: receipt.released[0]?.how };
        }),
      );
      expect(ends).to.deep.equal(
        Array.from({ length: 100 }, (_, at) => ({ exit: { exitCode: at }, lines: 2001, how: 'exited' })),
      );
    });

    it('processes leave no file descriptors open', async () => {
      const { process: start } = createTestEngine();
      await start(createTestRun().run.ports)({ argv: ['true'] });
      const before = countOpenFiles();
      for (let times = 0; times < 20; times += 1) {
        await Promise.all(Array.from({ length: 5 }, () => start(createTestRun().run.ports)({ argv: ['echo', 'x'] })));
      }
      expect(countOpenFiles()).to.be.at.most(before);
    });
  });

  describe('a process that cannot start', () => {
    const failures: readonly (readonly [
      string,
      Parameters<ReturnType<ReturnType<typeof createTestEngine>['process']>>[0],
      string,
    ])[] = [
      ['no such program', { argv: ['fooo'] }, 'cannot start "fooo": no such program in PATH'],
      ['no such file', { argv: ['/nope/fooo'] }, 'cannot start "/nope/fooo": no such file'],
      ['no such folder', { argv: ['true'], cwd: '/nope' }, 'cannot start "true": folder "/nope" does not exist'],
      ['a file as folder', { argv: ['true'], cwd: '/dev/null' }, 'cannot start "true": "/dev/null" is not a folder'],
      ['a file that is not executable', { argv: ['/etc/passwd'] }, 'cannot start "/etc/passwd": it is not executable'],
      ['a folder as program', { argv: ['/etc'] }, 'cannot start "/etc": it is a folder'],
      ['an empty name', { argv: [''] }, 'cannot start "": the program name is empty'],
      [
        'a NUL byte',
        { argv: ['echo', 'a\0b'] },
        'cannot start "echo": an argument, variable or folder contains a NUL byte; remove it',
      ],
      [
        'arguments that are too long',
        { argv: ['echo', 'x'.repeat(4 << 20)] },
        'cannot start "echo": its arguments and environment are too long for the system',
      ],
      ['PATH of the call', { argv: ['ls'], env: { PATH: '/nope' } }, 'cannot start "ls": no such program in PATH'],
    ];
    for (const [what, spec, message] of failures) {
      it(`a process that cannot start reports the reason: ${what}`, async () => {
        const { process: start, terminal, release } = createTestEngine();
        const { run } = createTestRun();
        const error = await expectRejection(start(run.ports)(spec));
        expect(error).to.be.instanceOf(WorkFailed);
        expect(error.message).to.equal(message);
        expect((await run.releaseAll({ process: release })).clean).to.equal(true);
        const second = createTestRun().run;
        expect((await expectRejection(terminal(second.ports)({ ...spec, cols: 80, rows: 24 }))).message).to.equal(
          message,
        );
      });
    }

    it('a process that cannot start reports a missing interpreter', async () => {
      await inFolder(async (folder) => {
        const script = path.join(folder, 'script');
        await fs.writeFile(script, '#!/nope/interpreter\n', { mode: 0o755 });
        const {
          engine: { process: start },
          run,
        } = createTestRun();
        const error = await expectRejection(start(run.ports)({ argv: [script] }));
        expect(error.message).to.equal(
          `cannot start "${script}": the program or the interpreter named in its first line does not exist`,
        );
      });
    });

    it('a process that cannot start reports that only root can change the user', async () => {
      const {
        engine: { process: start },
        run,
      } = createTestRun();
      const ourselves = process.geteuid?.() ?? 0;
      if (root) process.seteuid?.(1234);
      // The engine checks the user before `start` returns.
      const started = expectRejection(start(run.ports)({ argv: ['true'], uid: 4321, gid: 99 }));
      process.seteuid?.(ourselves);
      expect((await started).message).to.equal(
        'cannot start "true": only a gateway that runs as root can start it as user 4321, group 99; ' +
          'run the gateway as root or leave out the user',
      );
    });

    it('a process does not start when its run is already stopped', async () => {
      const {
        engine: { process: start, terminal },
        run,
      } = createTestRun();
      run.abort();
      const error = await expectRejection(start(run.ports)({ argv: ['true'] }));
      expect(error.message).to.equal('cannot start "true": the run was stopped before the process started');
      await expectRejection(terminal(run.ports)({ argv: ['true'], cols: 80, rows: 24 }));
      expect(run.obligations).to.deep.equal([]);
    });
  });
});
