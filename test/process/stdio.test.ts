// Tests the pipes that processes get as standard input, output and error.

import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { expect } from 'chai';
import { readLimitMark } from '../../server/process/procfs/limit-mark.ts';
import { createTestRun, expectRejection, forEachStarter, inFolder } from '../helpers/process/test-process-engine.ts';

const otherUser = { uid: 1234, gid: 4321 } as const;

interface Result {
  readonly exit: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

async function runShell(
  script: string,
  { input = '', ...user }: { input?: string; uid?: number; gid?: number } = {},
): Promise<Result> {
  const { engine, run } = createTestRun();
  const ended = engine.process(run.ports)({ argv: ['sh', '-c', script], ...user });
  if (input !== '') run.sendInput(input);
  run.endInput();
  const exit = await ended;
  expect((await run.releaseAll({ process: engine.release })).clean).to.equal(true);
  return { exit, stdout: run.output.stdout(), stderr: run.output.stderr() };
}

describe('standard streams', function () {
  this.timeout(60_000);

  for (const { who, user } of [
    { who: 'a process', user: {} },
    { who: 'a process of another user', user: otherUser },
  ]) {
    it(`P2: ${who} writes to /dev/stderr and /dev/stdout by path`, async () => {
      const script = 'echo err > /dev/stderr; echo out > /dev/stdout; echo more >> /proc/self/fd/2';
      expect(await runShell(script, user)).to.deep.equal({
        exit: { exitCode: 0 },
        stdout: 'out\n',
        stderr: 'err\nmore\n',
      });
    });

    it(`P2: ${who} writes through tee to /dev/stderr`, async () => {
      expect(await runShell('echo both | tee /dev/stderr', user)).to.deep.equal({
        exit: { exitCode: 0 },
        stdout: 'both\n',
        stderr: 'both\n',
      });
    });

    it(`P2: ${who} reads /dev/stdin by path to its end`, async () => {
      const { stdout } = await runShell('cat /dev/stdin /proc/self/fd/0', { ...user, input: 'typed\n' });
      expect(stdout).to.equal('typed\n');
    });

    it(`P2: ${who} has pipes as its standard streams`, async () => {
      const { stdout } = await runShell('for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done', user);
      expect(stdout).to.match(/^(pipe:\[\d+\]\n){3}$/);
    });
  }

  it('P2: only the user of a process and root can open its streams', async () => {
    const { stdout } = await runShell('stat -L -c %u:%a /dev/stdin /dev/stdout /dev/stderr', otherUser);
    expect(stdout).to.equal('1234:600\n'.repeat(3));
  });

  it('a process has no open files but its standard streams', async () => {
    expect((await runShell('exec ls /proc/self/fd')).stdout).to.equal('0\n1\n2\n3\n');
  });

  it('a process starts with default signal actions and an empty signal mask', async () => {
    const { stdout } = await runShell('exec grep -E "Sig(Blk|Ign)" /proc/self/status');
    expect(stdout).to.match(/^SigBlk:\s0{16}\nSigIgn:\s0{16}\n$/);
  });
});

forEachStarter((starter) => {
  describe('a starter', function () {
    this.timeout(60_000);

    it('the engine names the starter that it uses', () => {
      const { engine } = createTestRun();
      expect(engine.starter.name).to.equal(starter);
      expect(engine.starter.reason === undefined).to.equal(starter === 'posix_spawn');
    });

    if (starter === 'posix_spawn')
      it('the descendants of a process have the mark of its obligation', async () => {
        const { engine, run } = createTestRun();
        const ended = engine.process(run.ports)({ argv: ['sh', '-c', '(env -i setsid sleep 1000 & echo $!); cat'] });
        await run.output.waitForText('\n');
        const mark = run.obligations[0]?.entry.facts['mark'];
        expect(readLimitMark(Number(run.output.stdout()))).to.equal(mark);
        expect(readLimitMark(process.pid)).to.equal(undefined);
        await run.releaseAll({ process: engine.release });
        await ended;
      });

    it('a script without an interpreter line runs in the shell', () =>
      inFolder(async (folder) => {
        const script = path.join(folder, 'script');
        await fs.writeFile(script, 'echo "$0" "$@"\n', { mode: 0o755 });
        const { engine, run } = createTestRun();
        expect(await engine.process(run.ports)({ argv: [script, 'a b'] })).to.deep.equal({ exitCode: 0 });
        expect(run.output.stdout()).to.equal(`${script} a b\n`);
      }));

    it('argv[0] of a program is its name as the call spells it', async () => {
      for (const user of [{}, otherUser]) {
        const { engine, run } = createTestRun();
        await engine.process(run.ports)({ argv: ['sh', '-c', 'tr "\\0" " " < /proc/$$/cmdline', 'x'], ...user });
        expect(run.output.stdout()).to.match(/^sh -c /);
      }
    });

    it('a program that its user may not execute is reported before it starts', () =>
      inFolder(async (folder) => {
        await fs.chmod(folder, 0o711);
        const secret = path.join(folder, 'secret');
        await fs.writeFile(secret, '#!/bin/sh\n', { mode: 0o700 });
        const { engine, run } = createTestRun();
        const error = await expectRejection(engine.process(run.ports)({ argv: [secret], ...otherUser }));
        expect(error.message).to.equal(
          `cannot start "${secret}": permission denied: its user may not execute the program or enter its folder`,
        );
      }));

    it('a missing interpreter is reported for a process of another user', () =>
      // Use /tmp, because only root can enter the folder for temporary files of a test run.
      inFolder(async (folder) => {
        await fs.chmod(folder, 0o755);
        const script = path.join(folder, 'script');
        await fs.writeFile(script, '#!/nope/interpreter\n', { mode: 0o755 });
        const { engine, run } = createTestRun();
        const error = await expectRejection(engine.process(run.ports)({ argv: [script], ...otherUser }));
        expect(error.message).to.contain('the interpreter named in its first line does not exist');
      }, '/tmp'));

    it('a process of another user has the arguments, variables, umask and groups of its call', async () => {
      const { engine, run } = createTestRun();
      const script = 'echo "$1" "$V"; umask; id -u; id -G; echo $$; cut -d" " -f5,6 /proc/$$/stat';
      await engine.process(run.ports)({
        argv: ['sh', '-c', script, 'sh', '--reuid=0 "x"'],
        env: { V: 'a  b' },
        umask: 0o077,
        ...otherUser,
      });
      const [text, umask, uid, groups, pid, session] = run.output.stdout().split('\n');
      expect([text, umask, uid, groups]).to.deep.equal(['--reuid=0 "x" a  b', '0077', '1234', '4321']);
      expect(session).to.equal(`${pid} ${pid}`);
    });
  });
});
