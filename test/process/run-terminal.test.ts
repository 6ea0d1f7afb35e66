// Tests real programs on real terminals.

import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import type { TerminalSpec } from '../../calls/contract/engines.ts';
import { clampSize } from '../../server/process/pty.ts';
import { eofCharacter, writeTerminalInput } from '../../server/process/terminal-input.ts';
import type { TestRun } from '../helpers/process/test-process-engine.ts';
import {
  cancel,
  countOpenFiles,
  createTestEngine,
  createTestRun,
  findLiving,
  forEachStarter,
  outputDrainMs,
  until,
  waitUntilStable,
} from '../helpers/process/test-process-engine.ts';
import { fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { endlessGraceMs } from '../helpers/wait-until.ts';

const root = process.getuid?.() === 0;

function terminal(
  at: TestRun,
  argv: TerminalSpec['argv'],
  more: Partial<TerminalSpec> = {},
): ReturnType<ReturnType<TestRun['engine']['terminal']>> {
  return at.engine.terminal(at.run.ports)({ argv, cols: 80, rows: 24, ...more });
}

forEachStarter(() => {
  describe('running a terminal', function () {
    this.timeout(60_000);

    it('a program has a controlling terminal with a size and a name', async () => {
      const at = createTestRun();
      const exit = await terminal(at, ['sh', '-c', 'stty size </dev/tty; echo $TERM; tty; exit 7'], {
        cols: 101,
        rows: 33,
      });
      expect(exit).to.deep.equal({ exitCode: 7 });
      expect(at.run.output.stdout()).to.match(/^33 101\r\nxterm-256color\r\n\/dev\/pts\/\d+\r\n$/);
      expect(at.run.output.ended.stdout).to.equal(true);
    });

    it('a program on a terminal leads its own session and group, with the pid in the journal', async () => {
      const at = createTestRun();
      await terminal(at, ['sh', '-c', 'cut -d" " -f5,6 /proc/$$/stat; echo $$']);
      const [group, session, pid] = at.run.output.stdout().trim().split(/\s+/);
      expect([group, session]).to.deep.equal([pid, pid]);
      expect(at.run.obligations[0]?.entry.facts['pid']).to.equal(Number(pid));
    });

    it('a program on a terminal receives its arguments unchanged and the markers of its run', async () => {
      const at = createTestRun();
      const args = ['two words', '"', '$(id)', '-c', '--', ''];
      await terminal(
        at,
        [
          process.execPath,
          '-e',
          'const { env, argv } = process; ' +
            'console.log(JSON.stringify([argv.slice(1), env.DISTILLERY_RUN, env.DISTILLERY_PROCESS, env.TERM]))',
          '--',
          ...args,
        ],
        { env: { TERM: 'dumb' } },
      );
      expect(JSON.parse(at.run.output.stdout())).to.deep.equal([args, at.id, 'process-1', 'dumb']);
    });

    it('a terminal returns the signal that ended its program', async () => {
      expect(await terminal(createTestRun(), ['sh', '-c', 'kill -KILL $$'])).to.deep.equal({ signal: 'SIGKILL' });
    });

    it('a terminal delivers every byte of a program that prints a megabyte and exits', async () => {
      for (let times = 0; times < 50; times += 1) {
        const at = createTestRun();
        await terminal(at, ['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" a']);
        expect(at.run.output.bytes('stdout').length).to.equal(1_000_000);
      }
    });

    it('a terminal delivers every byte although the disk is behind', async () => {
      const at = createTestRun();
      at.run.output.block();
      const ended = terminal(at, ['sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" a; echo end']);
      await until('output has arrived', () => at.run.output.bytes('stdout').length > 0);
      expect(await waitUntilStable(() => at.run.output.bytes('stdout').length)).to.be.lessThan(1 << 20);
      at.run.output.unblock();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(at.run.output.bytes('stdout').length).to.equal(3_000_000 + 'end\r\n'.length);
    });

    it('a terminal delivers output that was printed before the exit while the disk was behind', async () => {
      const at = createTestRun();
      at.run.output.block();
      const ended = terminal(at, ['sh', '-c', 'echo a; sleep 0.05; echo b; head -c 3000 /dev/zero | tr "\\0" c']);
      await until('the program has ended', () => at.run.obligations.length === 1 && findLiving(at.id).length === 0);
      await waitUntilStable(() => at.run.output.stdout(), 2 * outputDrainMs);
      at.run.output.unblock();
      await ended;
      expect(at.run.output.stdout()).to.equal(`a\r\nb\r\n${'c'.repeat(3000)}`);
    });

    it('a terminal passes input on, and then the end of the input', async () => {
      const at = createTestRun();
      const ended = terminal(at, ['sh', '-c', 'stty -echo; echo ready; cat; echo over']);
      await at.run.output.waitForText('ready');
      at.run.sendInput('hello\n');
      at.run.endInput();
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(at.run.output.stdout()).to.equal('ready\r\nhello\r\nover\r\n');
      expect(at.run.input.takenBytes).to.equal(6);
    });

    it('a terminal ends the input after an unfinished line', async () => {
      const at = createTestRun();
      const ended = terminal(at, ['sh', '-c', 'stty -echo; echo ready; cat; echo " over"']);
      await at.run.output.waitForText('ready');
      at.run.sendInput('no newline');
      at.run.endInput();
      await ended;
      expect(at.run.output.stdout()).to.equal('ready\r\nno newline over\r\n');
    });

    it('a terminal gets two end-of-file characters after an unfinished line before the first pause', async () => {
      const run = fakePorts();
      const exited = new AbortController();
      const steps: string[] = [];
      run.sendInput('no newline');
      run.endInput();
      await writeTerminalInput({
        input: run.ports.input,
        pty: {
          write(bytes) {
            steps.push(Buffer.from(bytes).toString());
            return bytes.byteLength;
          },
        },
        lastOutputAt() {
          steps.push('pause');
          exited.abort();
          return 0;
        },
        exited: exited.signal,
      });
      const eof = Buffer.from(eofCharacter).toString();
      expect(steps).to.deep.equal(['no newline', eof, eof, 'pause']);
    });

    it('a terminal ends a login shell whose input ended before the start', async () => {
      for (let times = 0; times < 20; times += 1) {
        const at = createTestRun();
        at.run.endInput();
        const exit = await terminal(at, ['bash', '-l'], { env: { HOME: '/nonexistent' } });
        expect(exit.exitCode).to.be.a('number');
      }
    });

    it('a terminal ends an interactive shell after its input', async () => {
      const at = createTestRun();
      at.run.sendInput('echo $((6 * 7))\n');
      at.run.endInput();
      await terminal(at, ['bash', '--norc', '-i']);
      expect(at.run.output.stdout()).to.contain('42\r\n');
    });

    it('a terminal can be resized within its limits', async () => {
      const at = createTestRun();
      const ended = terminal(at, [
        'sh',
        '-c',
        'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.02; done',
      ]);
      await at.run.output.waitForText('ready');
      at.run.resize({ cols: 132, rows: 50 });
      await ended;
      expect(at.run.output.stdout()).to.contain('50 132');
      at.run.resize({ cols: 10, rows: 10 });
      expect(clampSize({ cols: -1, rows: 1e9 })).to.deep.equal({ cols: 1, rows: 65_535 });
      expect(clampSize({ cols: NaN, rows: 2.7 })).to.deep.equal({ cols: 1, rows: 2 });
    });

    it('a terminal accepts no more input than fits its buffer, and waiting for it takes little CPU time', async () => {
      const at = createTestRun();
      const ended = terminal(at, ['sh', '-c', 'stty raw -echo; echo ready; sleep 1000']);
      await at.run.output.waitForText('ready');
      at.run.sendInput(Buffer.alloc(1 << 20, 'x'));
      await until('the terminal has taken input', () => at.run.input.takenBytes > 0);
      const busy = process.cpuUsage();
      expect(await waitUntilStable(() => at.run.input.takenBytes, 500)).to.be.within(1, 128 << 10);
      const { user, system } = process.cpuUsage(busy);
      expect((user + system) / 1000).to.be.lessThan(250);
      await cancel(at);
      expect(await ended).to.deep.equal({ signal: 'SIGTERM' });
    });

    it('a terminal delivers a megabyte of input to a program that reads', async () => {
      const at = createTestRun();
      const ended = terminal(at, ['sh', '-c', 'stty raw -echo; echo ready; head -c 1048576 | cksum']);
      await at.run.output.waitForText('ready');
      at.run.sendInput(Buffer.alloc(1 << 20, 'x'));
      await ended;
      const sum = execFileSync('cksum', { input: Buffer.alloc(1 << 20, 'x') })
        .toString()
        .trim();
      expect(at.run.output.stdout()).to.contain(sum);
    });

    it('a program on a terminal runs with the user, groups and umask of its call and owns the terminal', async () => {
      if (!root) throw new Error('this test starts programs as another user; run the tests as root');
      const at = createTestRun();
      await terminal(at, ['sh', '-c', 'id -u; id -G; umask; stat -c %u $(tty)'], {
        uid: 1234,
        gid: 4321,
        umask: 0o027,
      });
      expect(at.run.output.stdout().trim().split('\r\n')).to.deep.equal(['1234', '4321', '0027', '1234']);
    });

    it('other processes of the gateway do not inherit a terminal', async () => {
      const first = createTestRun();
      const open = terminal(first, ['cat']);
      await until('the terminal is open', () => first.run.obligations[0]?.entry.facts['pid'] !== undefined);
      const [second, third] = [createTestRun(), createTestRun()];
      const script = 'ls -l /proc/self/fd; ls /proc/self/fd | wc -l';
      await second.engine.process(second.run.ports)({ argv: ['sh', '-c', script] });
      await terminal(third, ['sh', '-c', script]);
      first.run.endInput();
      await open;
      expect(second.run.output.stdout() + third.run.output.stdout()).not.to.contain('ptmx');
      expect(second.run.output.stdout()).not.to.contain('/dev/pts');
    });

    it('a release sends SIGHUP within the grace to an interactive shell that ignores SIGTERM', async () => {
      const at = createTestRun({ signal: 'SIGTERM', graceMs: endlessGraceMs });
      const ended = terminal(at, ['bash', '--norc', '-i'], { env: { PS1: 'prompt>' } });
      await at.run.output.waitForText('prompt>');
      at.run.sendInput('half a command');
      await at.run.output.waitForText('half a command');
      const receipt = await cancel(at);
      expect(receipt.released.map(({ how }) => how)).to.deep.equal(['SIGHUP']);
      await ended;
    });

    it('a terminal closes when its program exits, and processes that still hold it are ended', async () => {
      const at = createTestRun({ signal: 'SIGTERM', graceMs: 300 });
      const exit = await terminal(at, [
        'bash',
        '-c',
        'trap "" HUP TERM; (while :; do echo still; sleep 0.01; done) & sleep 0.1; exit 4',
      ]);
      expect(exit).to.deep.equal({ exitCode: 4 });
      const receipt = await at.run.releaseAll({ process: at.engine.release });
      expect(receipt.released.map(({ how }) => how)).to.deep.equal(['SIGKILL']);
      expect(findLiving(at.id)).to.deep.equal([]);
    });

    it('two hundred terminals leave no file and no terminal open', async () => {
      const { terminal: start } = createTestEngine();
      await start(createTestRun().run.ports)({ argv: ['true'], cols: 80, rows: 24 });
      const before = countOpenFiles();
      for (let times = 0; times < 40; times += 1) {
        await Promise.all(
          Array.from({ length: 5 }, () =>
            start(createTestRun().run.ports)({ argv: ['echo', 'x'], cols: 80, rows: 24 }),
          ),
        );
      }
      expect(countOpenFiles()).to.be.at.most(before);
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
});
