// Real programs behind real terminals.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import type { TerminalSpec } from '../../calls/contract/engines.ts';
import { bounded } from '../../server/process/pty.ts';
import { bench, cancel, drainMs, engine, living, openFiles, settled, until } from './kit.ts';
import type { Bench } from './kit.ts';

const root = process.getuid?.() === 0;

function terminal(at: Bench, argv: TerminalSpec['argv'], more: Partial<TerminalSpec> = {}): ReturnType<ReturnType<Bench['engine']['terminal']>> {
  return at.engine.terminal(at.run.ports)({ argv, cols: 80, rows: 24, ...more });
}

describe('a terminal', function () {
  this.timeout(60_000);

  it('is a controlling terminal with a size and a name', async () => {
    const at = bench();
    const exit = await terminal(at, ['sh', '-c', 'stty size </dev/tty; echo $TERM; tty; exit 7'], { cols: 101, rows: 33 });
    expect(exit).to.deep.equal({ exitCode: 7 });
    expect(at.run.output.stdout()).to.match(/^33 101\r\nxterm-256color\r\n\/dev\/pts\/\d+\r\n$/);
    expect(at.run.output.ended.stdout).to.equal(true);
  });

  it('leads a session and a group of its own, under the pid in the journal', async () => {
    const at = bench();
    await terminal(at, ['sh', '-c', 'cut -d" " -f5,6 /proc/$$/stat; echo $$']);
    const [group, session, pid] = at.run.output.stdout().trim().split(/\s+/);
    expect([group, session]).to.deep.equal([pid, pid]);
    expect(at.run.obligations[0]?.entry.facts['pid']).to.equal(Number(pid));
  });

  it('gets its arguments untouched, and the marks of its run', async () => {
    const at = bench();
    const args = ['two words', '"', '$(id)', '-c', '--', ''];
    await terminal(at, [process.execPath, '-e', 'console.log(JSON.stringify([process.argv.slice(1), process.env.DISTILLERY_RUN, process.env.DISTILLERY_PROCESS, process.env.TERM]))', '--', ...args], { env: { TERM: 'dumb' } });
    expect(JSON.parse(at.run.output.stdout())).to.deep.equal([args, at.id, 'process-1', 'dumb']);
  });

  it('tells the signal that ended it', async () => {
    expect(await terminal(bench(), ['sh', '-c', 'kill -KILL $$'])).to.deep.equal({ signal: 'SIGKILL' });
  });

  it('gives every byte of a program that prints a megabyte and ends', async () => {
    for (let times = 0; times < 50; times += 1) {
      const at = bench();
      await terminal(at, ['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" a']);
      expect(at.run.output.bytes('stdout').length).to.equal(1_000_000);
    }
  });

  it('gives every byte although the disk is behind', async () => {
    const at = bench();
    at.run.output.hold();
    const ended = terminal(at, ['sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" a; echo end']);
    await until('something came', () => at.run.output.bytes('stdout').length > 0);
    expect(await settled(() => at.run.output.bytes('stdout').length)).to.be.lessThan(1 << 20);
    at.run.output.letGo();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(at.run.output.bytes('stdout').length).to.equal(3_000_000 + 'end\r\n'.length);
  });

  it('gives what a program wrote before it ended while the disk was behind', async () => {
    const at = bench();
    at.run.output.hold();
    const ended = terminal(at, ['sh', '-c', 'echo a; sleep 0.05; echo b; head -c 3000 /dev/zero | tr "\\0" c']);
    await until('it has ended', () => at.run.obligations.length === 1 && living(at.id).length === 0);
    await settled(() => at.run.output.stdout(), 2 * drainMs);
    at.run.output.letGo();
    await ended;
    expect(at.run.output.stdout()).to.equal(`a\r\nb\r\n${'c'.repeat(3000)}`);
  });

  it('takes what is typed, and ends when input does', async () => {
    const at = bench();
    const ended = terminal(at, ['sh', '-c', 'stty -echo; echo ready; cat; echo over']);
    await at.run.output.has('ready');
    at.run.feed('hello\n');
    at.run.endInput();
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(at.run.output.stdout()).to.equal('ready\r\nhello\r\nover\r\n');
    expect(at.run.input.takenBytes).to.equal(6);
  });

  it('ends an unfinished line too', async () => {
    const at = bench();
    const ended = terminal(at, ['sh', '-c', 'stty -echo; echo ready; cat; echo " over"']);
    await at.run.output.has('ready');
    at.run.feed('no newline');
    at.run.endInput();
    const begun = performance.now();
    await ended;
    expect(at.run.output.stdout()).to.equal('ready\r\nno newline over\r\n');
    expect(performance.now() - begun).to.be.lessThan(450);
  });

  it('ends a login shell whose input was over before it began', async () => {
    for (let times = 0; times < 20; times += 1) {
      const at = bench();
      at.run.endInput();
      const exit = await terminal(at, ['bash', '-l'], { env: { HOME: '/nonexistent' } });
      expect(exit.exitCode).to.be.a('number');
    }
  });

  it('ends an interactive shell after what was typed', async () => {
    const at = bench();
    at.run.feed('echo $((6 * 7))\n');
    at.run.endInput();
    await terminal(at, ['bash', '--norc', '-i']);
    expect(at.run.output.stdout()).to.contain('42\r\n');
  });

  it('is resized within bounds', async () => {
    const at = bench();
    const ended = terminal(at, ['sh', '-c', 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.02; done']);
    await at.run.output.has('ready');
    at.run.resize({ cols: 132, rows: 50 });
    await ended;
    expect(at.run.output.stdout()).to.contain('50 132');
    at.run.resize({ cols: 10, rows: 10 });
    expect(bounded({ cols: -1, rows: 1e9 })).to.deep.equal({ cols: 1, rows: 65_535 });
    expect(bounded({ cols: NaN, rows: 2.7 })).to.deep.equal({ cols: 1, rows: 2 });
  });

  it('takes no more than it has room for, and no time of ours, when its program does not read', async () => {
    const at = bench();
    const ended = terminal(at, ['sh', '-c', 'stty raw -echo; echo ready; sleep 1000']);
    await at.run.output.has('ready');
    at.run.feed(Buffer.alloc(1 << 20, 'x'));
    await until('something was typed', () => at.run.input.takenBytes > 0);
    const busy = process.cpuUsage();
    expect(await settled(() => at.run.input.takenBytes, 500)).to.be.within(1, 128 << 10);
    const { user, system } = process.cpuUsage(busy);
    expect((user + system) / 1000).to.be.lessThan(250);
    await cancel(at);
    expect(await ended).to.deep.equal({ signal: 'SIGTERM' });
  });

  it('takes a megabyte whole when its program reads', async () => {
    const at = bench();
    const ended = terminal(at, ['sh', '-c', 'stty raw -echo; echo ready; head -c 1048576 | cksum']);
    await at.run.output.has('ready');
    at.run.feed(Buffer.alloc(1 << 20, 'x'));
    await ended;
    const sum = execFileSync('cksum', { input: Buffer.alloc(1 << 20, 'x') }).toString().trim();
    expect(at.run.output.stdout()).to.contain(sum);
  });

  it('has the user, group, groups and umask its call names, and owns its terminal', async function () {
    if (!root) throw new Error('this test starts programs as another user; run the tests as root');
    const at = bench();
    await terminal(at, ['sh', '-c', 'id -u; id -G; umask; stat -c %u $(tty)'], { uid: 1234, gid: 4321, umask: 0o027 });
    expect(at.run.output.stdout().trim().split('\r\n')).to.deep.equal(['1234', '4321', '0027', '1234']);
  });

  it('is nothing that other processes of the gateway inherit', async () => {
    const first = bench();
    const open = terminal(first, ['cat']);
    await until('it is open', () => first.run.obligations[0]?.entry.facts['pid'] !== undefined);
    const [second, third] = [bench(), bench()];
    const script = 'ls -l /proc/self/fd; ls /proc/self/fd | wc -l';
    await second.engine.process(second.run.ports)({ argv: ['sh', '-c', script] });
    await terminal(third, ['sh', '-c', script]);
    first.run.endInput();
    await open;
    expect(second.run.output.stdout() + third.run.output.stdout()).not.to.contain('ptmx');
    expect(second.run.output.stdout()).not.to.contain('/dev/pts');
  });

  it('ends an interactive shell that ignores SIGTERM within the grace', async () => {
    const at = bench({ signal: 'SIGTERM', graceMs: 20_000 });
    const ended = terminal(at, ['bash', '--norc', '-i'], { env: { PS1: 'prompt>' } });
    await at.run.output.has('prompt>');
    at.run.feed('half a command');
    await at.run.output.has('half a command');
    const begun = performance.now();
    const receipt = await cancel(at);
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['SIGHUP']);
    expect(performance.now() - begun).to.be.lessThan(5_000);
    await ended;
  });

  it('ends with its program, and ends who still holds it open', async () => {
    const at = bench({ signal: 'SIGTERM', graceMs: 300 });
    const exit = await terminal(at, ['bash', '-c', 'trap "" HUP TERM; (while :; do echo still; sleep 0.01; done) & sleep 0.1; exit 4']);
    expect(exit).to.deep.equal({ exitCode: 4 });
    const receipt = await at.run.releaseWith({ process: at.engine.release });
    expect(receipt.released.map(({ how }) => how)).to.deep.equal(['SIGKILL']);
    expect(living(at.id)).to.deep.equal([]);
  });

  it('leaves no file and no terminal open after two hundred of them', async () => {
    const { terminal: start } = engine();
    await start(bench().run.ports)({ argv: ['true'], cols: 80, rows: 24 });
    const before = openFiles();
    for (let times = 0; times < 40; times += 1) {
      await Promise.all(Array.from({ length: 5 }, () => start(bench().run.ports)({ argv: ['echo', 'x'], cols: 80, rows: 24 })));
    }
    expect(openFiles()).to.be.at.most(before);
    expect(readdirSync('/proc/self/fd').filter((fd) => isTerminal(fd))).to.deep.equal([]);
  });
});

function isTerminal(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/ptmx';
  } catch {
    return false;
  }
}
