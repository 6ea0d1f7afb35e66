// Real processes from their start to their last byte.

import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { bench, cancel, drainMs, engine, failure, inFolder, living, openFiles, settled, until } from './kit.ts';

const root = process.getuid?.() === 0;

describe('a process', function () {
  this.timeout(30_000);

  it('tells both streams and its exit code', async () => {
    const { engine: { process: start }, run } = bench();
    run.endInput();
    const exit = await start(run.ports)({ argv: ['sh', '-c', 'echo out; echo err >&2; exit 3'] });
    expect(exit).to.deep.equal({ exitCode: 3 });
    expect(run.output.stdout()).to.equal('out\n');
    expect(run.output.stderr()).to.equal('err\n');
    expect(run.output.ended).to.deep.equal({ stdout: true, stderr: true });
  });

  it('starts although everybody who reads files has to wait', () => inFolder(async (folder) => {
    const fifo = path.join(folder, 'fifo');
    await promisify(execFile)('mkfifo', [fifo]);
    // Nobody writes: each of these holds one of the threads that Node has for files.
    const readers = Array.from({ length: 64 }, () => fs.open(fifo, 'r'));
    const { engine: { process: start }, run } = bench();
    void start(run.ports)({ argv: ['sh', '-c', 'echo ready'], cwd: folder });
    const outcome = await run.output.has('ready', 'stdout', 5_000).then(() => 'ready', (error: unknown) => error);
    const writer = openSync(fifo, constants.O_RDWR);
    for (const reader of await Promise.all(readers)) await reader.close();
    closeSync(writer);
    expect(outcome).to.equal('ready');
    await run.releaseWith({ process: engine().release });
  }));

  it('tells the signal that ended it', async () => {
    const { engine: { process: start }, run } = bench();
    expect(await start(run.ports)({ argv: ['sh', '-c', 'kill -ABRT $$'] })).to.deep.equal({ signal: 'SIGABRT' });
  });

  it('gets its arguments untouched', async () => {
    const { engine: { process: start }, run } = bench();
    const args = ['two words', '"quoted"', "it's", '$(touch nope)', '`id`', '--help', '-n', '*', 'new\nline', '', 'ünï', '${HOME}', '\\'];
    await start(run.ports)({ argv: [process.execPath, '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...args] });
    expect(JSON.parse(run.output.stdout())).to.deep.equal(args);
  });

  it('passes NUL bytes and broken characters on as they are', async () => {
    const { engine: { process: start }, run } = bench();
    const bytes = Buffer.from([0, 1, 0xff, 0xfe, 10, 0, 0xc3]);
    run.feed(bytes);
    run.endInput();
    await start(run.ports)({ argv: ['cat'] });
    expect(run.output.bytes('stdout').equals(bytes)).to.equal(true);
  });

  it('has the allowed environment, what its call adds, and the mark of its run', async () => {
    process.env['DISTILLERY_TEST_SECRET'] = 'hidden';
    const { engine: { process: start }, run, id } = bench(undefined, { environment: ['PATH', 'NOT_THERE'] });
    await start(run.ports)({ argv: ['env'], env: { LANG: 'C.UTF-8', DISTILLERY_RUN: 'forged' } });
    delete process.env['DISTILLERY_TEST_SECRET'];
    expect(run.output.stdout().trim().split('\n').sort()).to.deep.equal(
      [`PATH=${process.env['PATH']}`, 'LANG=C.UTF-8', 'SHLVL=1', `DISTILLERY_RUN=${id}`, 'DISTILLERY_PROCESS=process-1'].sort(),
    );
  });

  it('does not run what a shell does at a login', () => inFolder(async (folder) => {
    await fs.writeFile(path.join(folder, '.bashrc'), 'echo the house rules of bash');
    const { engine: { process: start }, run } = bench();
    await start(run.ports)({ argv: ['bash', '-c', 'echo hello'], env: { HOME: folder } });
    expect(run.output.stdout()).to.equal('hello\n');
  }));

  it('leads a session and a group of its own', async () => {
    const { engine: { process: start }, run } = bench();
    await start(run.ports)({ argv: ['sh', '-c', 'cut -d" " -f5,6 /proc/$$/stat; echo $$'] });
    const [group, session, pid] = run.output.stdout().trim().split(/\s/);
    expect([group, session]).to.deep.equal([pid, pid]);
  });

  it('is journaled before it is started, and known by pid and start time after', async () => {
    const { engine: { process: start }, run } = bench();
    await start(run.ports)({ argv: ['true'] });
    await start(run.ports)({ argv: ['true'] });
    expect(run.obligations.map(({ entry }) => entry.id)).to.deep.equal(['process-1', 'process-2']);
    expect(run.obligations[0]?.entry.facts['pid']).to.be.greaterThan(1);
    expect(run.obligations[0]?.entry.facts['startTime']).to.be.greaterThan(1);
    expect(run.obligations[0]?.entry.facts['program']).to.equal('true');
  });

  it('works in its folder', async () => {
    await inFolder(async (folder) => {
      const { engine: { process: start }, run } = bench();
      await start(run.ports)({ argv: ['pwd', '-P'], cwd: folder });
      expect(run.output.stdout().trim()).to.equal(await fs.realpath(folder));
    });
  });

  it('has the umask, user and group its call names', async function () {
    if (!root) throw new Error('this test starts programs as another user; run the tests as root');
    await inFolder(async (folder) => {
      await fs.chmod(folder, 0o777);
      const { engine: { process: start }, run } = bench();
      await start(run.ports)({ argv: ['sh', '-c', 'id -u; id -g; id -G; umask; touch file'], cwd: folder, uid: 1234, gid: 4321, umask: 0o027 });
      expect(run.output.stdout().trim().split('\n')).to.deep.equal(['1234', '4321', '4321', '0027']);
      const made = await fs.stat(path.join(folder, 'file'));
      expect([made.uid, made.gid, made.mode & 0o777]).to.deep.equal([1234, 4321, 0o640]);
    });
  });

  it('leaves the umask of the gateway as it was', async () => {
    const before = process.umask();
    const { engine: { process: start }, run } = bench();
    await start(run.ports)({ argv: ['true'], umask: 0o077 });
    await failure(start(run.ports)({ argv: ['no-such-program'], umask: 0o077 }));
    expect(process.umask()).to.equal(before);
  });

  it('ends when its input does', async () => {
    const { engine: { process: start }, run } = bench();
    const ended = start(run.ports)({ argv: ['wc', '-c'] });
    run.feed('hello ');
    run.feed('world');
    run.endInput();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout().trim()).to.equal('11');
    expect(run.input.takenBytes).to.equal(11);
  });

  it('takes many small pieces of input whole and in order', async () => {
    const { engine: { process: start }, run } = bench();
    const pieces = Array.from({ length: 50_000 }, (_, at) => `line ${at}\n`);
    for (const piece of pieces) run.feed(piece);
    run.endInput();
    await start(run.ports)({ argv: ['cat'] });
    expect(run.output.stdout()).to.equal(pieces.join(''));
    expect(run.input.takenBytes).to.equal(Buffer.byteLength(pieces.join('')));
  });

  it('takes input only as fast as it reads', async () => {
    const at = bench();
    const ended = at.engine.process(at.run.ports)({ argv: ['sleep', '1000'] });
    for (let times = 0; times < 64; times += 1) at.run.feed(Buffer.alloc(64 << 10));
    await until('the pipe is full', () => at.run.input.takenBytes > 0);
    await cancel(at);
    await ended;
    expect(at.run.input.takenBytes).to.be.lessThan(1 << 20);
    expect(at.run.input.discarded).to.equal(true);
  });

  it('may close its input early while more keeps coming', async () => {
    const { engine: { process: start }, run } = bench();
    const ended = start(run.ports)({ argv: ['sh', '-c', 'exec <&-; echo closed; sleep 0.3; echo still here'] });
    await run.output.has('closed');
    const feeding = setInterval(() => run.feed(Buffer.alloc(64 << 10)), 1);
    expect(await ended).to.deep.equal({ exitCode: 0 });
    clearInterval(feeding);
    expect(run.output.stdout()).to.equal('closed\nstill here\n');
    expect(run.input.discarded).to.equal(true);
  });

  it('waits while the disk is behind, and loses nothing', async () => {
    const at = bench();
    at.run.output.hold();
    const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'head -c 500000000 /dev/zero; echo done >&2'] });
    await until('something came', () => at.run.output.bytes('stdout').length > 0);
    expect(await settled(() => at.run.output.bytes('stdout').length)).to.be.lessThan(1 << 20);
    let bytes = 0;
    at.run.ports.output.write = (_stream, chunk) => { bytes += chunk.byteLength; };
    bytes += at.run.output.bytes('stdout').length;
    at.run.output.letGo();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(bytes).to.equal(500_000_000 + 'done\n'.length);
  });

  it('gets its last output into the log although the disk is behind when it ends', async () => {
    const { engine: { process: start }, run } = bench();
    run.output.hold();
    const ended = start(run.ports)({ argv: ['sh', '-c', 'echo first; sleep 0.05; echo second; echo third >&2'] });
    await until('it has ended', () => living(run.ports.run).length === 0 && run.obligations.length === 1);
    await settled(() => run.output.stdout(), 2 * drainMs);
    run.output.letGo();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(run.output.stdout() + run.output.stderr()).to.equal('first\nsecond\nthird\n');
  });

  it('loses nothing when a hundred run at once', async () => {
    const { process: start, release } = engine();
    const ends = await Promise.all(Array.from({ length: 100 }, async (_, at) => {
      const { run } = bench();
      const exit = await start(run.ports)({ argv: ['sh', '-c', `echo begin; seq 1 2000; exit ${at}`] });
      const receipt = await run.releaseWith({ process: release });
      return { exit, lines: run.output.stdout().split('\n').length - 1, how: receipt.released[0]?.how };
    }));
    expect(ends).to.deep.equal(Array.from({ length: 100 }, (_, at) => ({ exit: { exitCode: at }, lines: 2001, how: 'exited' })));
  });

  it('leaves no file open', async () => {
    const { process: start } = engine();
    await start(bench().run.ports)({ argv: ['true'] });
    const before = openFiles();
    for (let times = 0; times < 20; times += 1) {
      await Promise.all(Array.from({ length: 5 }, () => start(bench().run.ports)({ argv: ['echo', 'x'] })));
    }
    expect(openFiles()).to.be.at.most(before);
  });
});

describe('a process that cannot be started', function () {
  const told: readonly (readonly [string, Parameters<ReturnType<ReturnType<typeof engine>['process']>>[0], string])[] = [
    ['no such program', { argv: ['fooo'] }, 'cannot start "fooo": no such program in PATH'],
    ['no such file', { argv: ['/nope/fooo'] }, 'cannot start "/nope/fooo": no such file'],
    ['no such folder', { argv: ['true'], cwd: '/nope' }, 'cannot start "true": folder "/nope" does not exist'],
    ['a file as folder', { argv: ['true'], cwd: '/dev/null' }, 'cannot start "true": "/dev/null" is not a folder'],
    ['not executable', { argv: ['/etc/passwd'] }, 'cannot start "/etc/passwd": it is not executable'],
    ['a folder', { argv: ['/etc'] }, 'cannot start "/etc": it is a folder'],
    ['empty', { argv: [''] }, 'cannot start "": the name of the program is empty'],
    ['NUL', { argv: ['echo', 'a\0b'] }, 'cannot start "echo": an argument, variable or folder contains a NUL byte, which no program can be given'],
    ['too long', { argv: ['echo', 'x'.repeat(4 << 20)] }, 'cannot start "echo": its arguments and environment are too long for the system'],
    ['PATH of the call', { argv: ['ls'], env: { PATH: '/nope' } }, 'cannot start "ls": no such program in PATH'],
  ];
  for (const [what, spec, message] of told) {
    it(`says why: ${what}`, async () => {
      const { process: start, terminal, release } = engine();
      const { run } = bench();
      const error = await failure(start(run.ports)(spec));
      expect(error).to.be.instanceOf(WorkFailed);
      expect(error.message).to.equal(message);
      expect((await run.releaseWith({ process: release })).clean).to.equal(true);
      const second = bench().run;
      expect((await failure(terminal(second.ports)({ ...spec, cols: 80, rows: 24 }))).message).to.equal(message);
    });
  }

  it('says so when its interpreter is missing', async () => {
    await inFolder(async (folder) => {
      const script = path.join(folder, 'script');
      await fs.writeFile(script, '#!/nope/interpreter\n', { mode: 0o755 });
      const { engine: { process: start }, run } = bench();
      const error = await failure(start(run.ports)({ argv: [script] }));
      expect(error.message).to.equal(`cannot start "${script}": the program, or the interpreter named in its first line, does not exist`);
    });
  });

  it('says so when another user is wanted and the gateway is not root', async () => {
    const { engine: { process: start }, run } = bench();
    const ourselves = process.geteuid?.() ?? 0;
    if (root) process.seteuid?.(1234);
    // The user is looked at before the call returns.
    const started = failure(start(run.ports)({ argv: ['true'], uid: 4321, gid: 99 }));
    process.seteuid?.(ourselves);
    expect((await started).message).to.equal(
      'cannot start "true": only a gateway that runs as root can start it as user 4321, group 99; run the gateway as root or leave the user out',
    );
  });

  it('is not started when the run is stopped already', async () => {
    const { engine: { process: start, terminal }, run } = bench();
    run.abort();
    const error = await failure(start(run.ports)({ argv: ['true'] }));
    expect(error.message).to.equal('cannot start "true": the run was stopped before it began');
    await failure(terminal(run.ports)({ argv: ['true'], cols: 80, rows: 24 }));
    expect(run.obligations).to.deep.equal([]);
  });
});
