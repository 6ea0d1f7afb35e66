// Releases real process trees that resist termination, and checks the receipts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { expect } from 'chai';
import type { ProcessSpec } from '../../calls/contract/engines.ts';
import type { ObligationEntry, Release } from '../../calls/contract/ports.ts';
import type { Receipt } from '../../protocol/run-record.ts';
import { readProcess } from '../../server/process/procfs/procfs.ts';
import { getStarter } from '../../server/process/start/starter.ts';
import type { TestRun } from '../helpers/process/test-process-engine.ts';
import {
  cancel,
  createTestEngine,
  createTestRun,
  expectRejection,
  findLiving,
  forEachStarter,
  inFolder,
  outputDrainMaxMs,
  until,
} from '../helpers/process/test-process-engine.ts';
import { endlessGraceMs, waitUntil } from '../helpers/wait-until.ts';

interface CancelledRun {
  readonly at: TestRun;
  readonly receipt: Receipt;
  readonly exit: unknown;
}

/**
 * Starts a process, waits until its output contains `ready` the given number of times, and cancels the run. Then checks
 * that no process has the marker of the run or `tag`.
 */
async function startAndCancel(
  spec: ProcessSpec['argv'],
  {
    at = createTestRun(),
    ready = 1,
    onCancel,
    ...more
  }: {
    readonly at?: TestRun;
    readonly ready?: number;
    readonly tag?: string;
    readonly onCancel?: () => void;
  } = {},
): Promise<CancelledRun> {
  const tag = more.tag ?? at.id;
  const started = at.engine.process(at.run.ports)({ argv: spec, env: { TAG: tag } });
  await until('all processes are ready', () => at.run.output.stdout().split('ready').length > ready);
  onCancel?.();
  const receipt = await cancel(at);
  const exit = await started;
  await until('no process is left', () => findLiving(tag).length + findLiving(at.id).length === 0, 500);
  return { at, receipt, exit };
}

function releaseSteps({ receipt }: Pick<CancelledRun, 'receipt'>): readonly string[] {
  expect(receipt.left).to.deep.equal([]);
  return receipt.released.map((released) => released.how);
}

async function release(
  entry: ObligationEntry,
  { graceMs = 2_000, force = new AbortController().signal } = {},
): Promise<Release> {
  return createTestEngine().release(entry, { stop: { signal: 'SIGTERM', graceMs }, force, pending: Promise.resolve() });
}

const nextTag = (() => {
  let tags = 0;
  return (): string => `tag-${process.pid}-${(tags += 1)}-`;
})();

/** Returns the pids of the living shells that lead a session and have `tag` in their arguments. */
function findEscaped(tag: string): number[] {
  return findLiving(`true ${tag}`).filter(
    (pid) => readProcess(pid)?.name === 'sh' && readProcess(pid)?.session === pid,
  );
}

forEachStarter((starter) => {
  describe('releasing a process', function () {
    this.timeout(60_000);

    it('releasing an exited process needs no signal', async () => {
      const at = createTestRun();
      await at.engine.process(at.run.ports)({ argv: ['true'] });
      const receipt = await at.run.releaseAll({ process: at.engine.release });
      expect(releaseSteps({ receipt })).to.deep.equal(['exited']);
    });

    it('releasing a process needs only the stop signal if the process ends at that signal', async () => {
      const at = createTestRun({ signal: 'SIGTERM', graceMs: endlessGraceMs });
      const ended = await startAndCancel(['sh', '-c', 'echo ready; exec sleep 1000'], { at });
      expect(releaseSteps(ended)).to.deep.equal(['SIGTERM']);
      expect(ended.exit).to.deep.equal({ signal: 'SIGTERM' });
    });

    it('a process can clean up during the grace', async () => {
      const ended = await startAndCancel([
        'sh',
        '-c',
        'trap "sleep 0.3; echo cleaned; exit 9" TERM; echo ready; while :; do sleep 0.02; done',
      ]);
      expect(releaseSteps(ended)).to.deep.equal(['SIGTERM']);
      expect(ended.exit).to.deep.equal({ exitCode: 9 });
      expect(ended.at.run.output.stdout()).to.equal('ready\ncleaned\n');
    });

    it('a release sends the stop signal of the call exactly once', async () => {
      const at = createTestRun({ signal: 'SIGUSR1', graceMs: 5_000 });
      const ended = await startAndCancel(
        ['bash', '-c', 'trap "echo one; sleep 0.4; exit" USR1; echo ready; while :; do sleep 0.01; done'],
        { at },
      );
      expect(releaseSteps(ended)).to.deep.equal(['SIGUSR1']);
    });

    it('a release closes the input first', async () => {
      const at = createTestRun();
      const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'trap "" TERM; echo ready; cat; echo eof'] });
      await at.run.output.waitForText('ready');
      expect(await at.run.obligations[0]?.obligation.release()).to.deep.equal({ how: 'SIGTERM' });
      expect(await ended).to.deep.equal({ exitCode: 0 });
      expect(at.run.output.stdout()).to.equal('ready\neof\n');
    });

    it('a release ends three generations that ignore SIGTERM, one in its own session, after the grace', async () => {
      const graceMs = 500;
      const at = createTestRun({ signal: 'SIGTERM', graceMs });
      const script =
        'stay() { echo ready; while :; do sleep 1; done; }; export -f stay; trap "" TERM; ' +
        `(setsid bash -c 'trap "" TERM; (trap "" TERM; stay) & stay' & trap "" TERM; stay) & stay`;
      const order: string[] = [];
      const onCancel = (): void => void setTimeout(() => order.push('end of grace'), graceMs);
      const ended = await startAndCancel(['bash', '-c', script], { at, ready: 4, onCancel });
      order.push('released');
      expect(order).to.deep.equal(['end of grace', 'released']);
      expect(releaseSteps(ended)).to.deep.equal(['SIGKILL']);
      expect(ended.exit).to.deep.equal({ signal: 'SIGKILL' });
    });

    it('SIGKILL reaches a shell before its children, so the shell reports none of them as killed', async () => {
      const script = 'setsid sh -c \'trap "" TERM; echo ready; while :; do sleep 1000; done\' & wait';
      const runs = Array.from({ length: 20 }, () => createTestRun({ signal: 'SIGTERM', graceMs: 200 }));
      const ends = await Promise.all(runs.map((at) => startAndCancel(['sh', '-c', script], { at, ready: 1 })));
      for (const ended of ends) expect(releaseSteps(ended)).to.deep.equal(['SIGKILL']);
      expect(runs.map(({ run }) => run.output.stderr())).to.deep.equal(runs.map(() => ''));
    });

    const trees: readonly (readonly [string, string, number])[] = [
      [
        'a grandchild with a clean environment in its own session',
        'env -i TAG=$TAG setsid sh -c "echo ready; sleep 1000; true" & echo ready; wait',
        2,
      ],
      [
        'reparented processes with a clean environment in their own session',
        'env -i TAG=$TAG setsid sh -c "(sleep 1000; true) & echo ready; sleep 1000; true" & echo ready; wait',
        2,
      ],
      [
        'a daemon that forked twice',
        '(setsid sh -c "(echo ready; sleep 1000; true) & exit" &) ; echo ready; sleep 1000; true',
        2,
      ],
      ['a child in its own group', 'set -m; sh -c "echo ready; sleep 1000; true" & echo ready; wait', 2],
      [
        'children that stopped themselves',
        'sh -c "echo ready; kill -STOP \\$\\$; sleep 1000" & ' +
          'sh -c "trap \\"exit 0\\" TERM; echo ready; kill -STOP \\$\\$; sleep 1000" & ' +
          'echo ready; kill -STOP $$; sleep 1000',
        3,
      ],
    ];
    for (const [what, script, ready] of trees) {
      it(`a release ends ${what}`, async () => {
        const at = createTestRun({ signal: 'SIGTERM', graceMs: endlessGraceMs });
        const ended = await startAndCancel(['bash', '-c', script], { at, ready, tag: nextTag() });
        expect(releaseSteps(ended)).to.deep.equal(['SIGTERM']);
      });
    }

    it('a run starts and releases thirty processes at once without a warning of Node', async () => {
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      const at = createTestRun();
      const start = at.engine.process(at.run.ports);
      const ends = Array.from({ length: 30 }, () => start({ argv: ['sh', '-c', 'echo ready; exec sleep 1000'] }));
      await until('all processes run', () => at.run.output.stdout().split('ready').length === 31);
      at.run.abort('cancelled');
      await Promise.all(at.run.obligations.map(({ obligation }) => obligation.release()));
      for (const exit of await Promise.all(ends)) expect(exit).to.deep.equal({ signal: 'SIGTERM' });
      process.off('warning', onWarning);
      expect(warnings).to.deep.equal([]);
    });

    it('a release continues a stopped process, so that it can handle the signal', async () => {
      const ended = await startAndCancel([
        'bash',
        '-c',
        'trap "echo woken; exit 5" TERM; echo ready; kill -STOP $$; sleep 1000',
      ]);
      expect(releaseSteps(ended)).to.deep.equal(['SIGTERM']);
      expect(ended.exit).to.deep.equal({ exitCode: 5 });
      expect(ended.at.run.output.stdout()).to.contain('woken');
    });

    it('a release ends a process that keeps starting new ones', async () => {
      const at = createTestRun({ signal: 'SIGTERM', graceMs: 300 });
      const script =
        'trap "" TERM; echo ready; ' +
        'for i in $(seq 400); do setsid sh -c "trap \\"\\" TERM; sleep 5; true" & sleep 0.005; done; wait';
      const ended = await startAndCancel(['bash', '-c', script], { at });
      expect(releaseSteps(ended)).to.deep.equal(['SIGKILL']);
    });

    it('a release ends a chain of processes that each start a new session', async () => {
      await inFolder(async (folder) => {
        const hop = path.join(folder, 'hop');
        await fs.writeFile(hop, '#!/bin/sh\ntrap "" TERM\n[ $1 -gt 200 ] && exit\nsetsid "$0" $(($1 + 1)) &\n', {
          mode: 0o755,
        });
        const at = createTestRun({ signal: 'SIGTERM', graceMs: 100 });
        const ended = await startAndCancel(['sh', '-c', `"$0" 1 & echo ready; sleep 1000`, hop], {
          at,
          tag: nextTag(),
        });
        expect(releaseSteps(ended)[0]).to.be.oneOf(['SIGTERM', 'SIGKILL']);
      });
    });

    it('a forced release skips the rest of the grace', async () => {
      const at = createTestRun({ signal: 'SIGTERM', graceMs: endlessGraceMs });
      const started = at.engine.process(at.run.ports)({
        argv: ['bash', '-c', 'trap "echo asked" TERM; echo ready; while :; do sleep 0.01; done'],
      });
      await at.run.output.waitForText('ready');
      const cancelled = cancel(at);
      await at.run.output.waitForText('asked');
      at.run.forceStop();
      expect(releaseSteps({ receipt: await cancelled })).to.deep.equal(['SIGKILL']);
      expect(await started).to.deep.equal({ signal: 'SIGKILL' });
    });

    it('a release kills at once when the stop signal is SIGKILL or the grace is zero', async () => {
      for (const stop of [
        { signal: 'SIGKILL', graceMs: endlessGraceMs },
        { signal: 'SIGTERM', graceMs: 0 },
      ] as const) {
        const ended = await startAndCancel(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], {
          at: createTestRun(stop),
        });
        expect(releaseSteps(ended)).to.deep.equal(['SIGKILL']);
      }
    });

    it('releasing one process of a run spares the others', async () => {
      const at = createTestRun();
      const start = at.engine.process(at.run.ports);
      const both = [start({ argv: ['sleep', '1000'] }), start({ argv: ['sleep', '1000'] })];
      await until('both processes run', () => at.run.obligations.length === 2);
      const [first, second] = at.run.obligations;
      expect(await first?.obligation.release()).to.deep.equal({ how: 'SIGTERM' });
      expect(readProcess(second?.entry.facts['pid'] as number)?.living).to.equal(true);
      await cancel(at);
      expect(await Promise.all(both)).to.deep.equal([{ signal: 'SIGTERM' }, { signal: 'SIGTERM' }]);
    });
  });

  describe('a process that exits before its children do', function () {
    this.timeout(60_000);

    it('a run waits for the output of a background child after the exit of its process', async () => {
      const at = createTestRun();
      const exit = await at.engine.process(at.run.ports)({
        argv: ['sh', '-c', '(sleep 0.1; echo late) & echo early; exit 3'],
      });
      expect(exit).to.deep.equal({ exitCode: 3 });
      expect(at.run.output.stdout()).to.equal('early\nlate\n');
    });

    it('P1: output that continues after the exit of its process is read to its end', async () => {
      const at = createTestRun();
      // The inner shell begins to read after the outer one has exited. It starts no program per line, which would take
      // too long on a slow machine.
      const script =
        'exec > >(while kill -0 $$ 2>&-; do sleep 0.01; done; while read l; do printf "%(%T)T %s\\n" -1 "$l"; done); ' +
        'for i in $(seq 300); do echo line $i; done; echo end';
      expect(await at.engine.process(at.run.ports)({ argv: ['bash', '-c', script] })).to.deep.equal({ exitCode: 0 });
      const lines = at.run.output.stdout().trimEnd().split('\n');
      expect(lines).to.have.length(301);
      expect(lines.at(-1)).to.match(/ end$/);
      expect(at.run.events).to.deep.equal([]);
      const [released] = (await at.run.releaseAll({ process: at.engine.release })).released;
      expect(released).to.not.have.property('outputCut');
    });

    it('P1: output larger than every buffer is read to its end after the exit of its process', async () => {
      const at = createTestRun();
      let bytes = 0;
      at.run.ports.output.write = (_stream, chunk) => {
        bytes += chunk.byteLength;
      };
      const script = '(sleep 0.1; head -c 50000000 /dev/zero) & exit 0';
      await at.engine.process(at.run.ports)({ argv: ['sh', '-c', script] });
      expect(bytes).to.equal(50_000_000);
    });

    it('P1: the time limit of output after the exit ends a process that prints for ever', async () => {
      const at = createTestRun();
      const script = '(while :; do echo more; sleep 0.01; done) & exit 3';
      expect(await at.engine.process(at.run.ports)({ argv: ['sh', '-c', script] })).to.deep.equal({ exitCode: 3 });
      const { released } = await at.run.releaseAll({ process: at.engine.release });
      expect(at.run.events.map(({ type, facts }) => ({ type, reason: facts['reason'] }))).to.deep.equal([
        { type: 'output-cut', reason: 'limit' },
      ]);
      expect(at.run.events[0]?.facts['afterMs']).to.be.at.least(outputDrainMaxMs);
      expect(released[0]?.outputCut).to.deep.equal(at.run.events[0]?.facts);
    });

    it('P1: a process that holds the output open without printing is ended, and the receipt says so', async () => {
      const at = createTestRun();
      await at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'echo first; sleep 1000 & exit 0'] });
      const { released } = await at.run.releaseAll({ process: at.engine.release });
      expect(released[0]?.how).to.equal('SIGTERM');
      expect(released[0]?.outputCut?.reason).to.equal('held');
      expect(at.run.events).to.deep.equal([{ type: 'output-cut', facts: released[0]?.outputCut }]);
    });

    // With child_process, the output is a socket, which cannot be opened by path.
    if (starter === 'posix_spawn')
      it('P1: a process outside the run that holds the output open is not ended, and the receipt says so', async () => {
        const at = createTestRun();
        const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'echo $$; cat; exit 0'] });
        await at.run.output.waitForText('\n');
        const stdout = openSync(`/proc/${at.run.output.stdout().trim()}/fd/1`, 'r+');
        try {
          at.run.endInput();
          await ended;
        } finally {
          closeSync(stdout);
        }
        const { released } = await at.run.releaseAll({ process: at.engine.release });
        expect(released[0]?.how).to.equal('exited');
        expect(released[0]?.outputCut?.reason).to.equal('held');
      });

    it('a release ends a background child that keeps writing, and the exit code stays the same', async () => {
      const at = createTestRun();
      const exit = await at.engine.process(at.run.ports)({
        argv: ['sh', '-c', '(while :; do echo more; sleep 0.01; done) & exit 3'],
      });
      expect(exit).to.deep.equal({ exitCode: 3 });
      expect(findLiving(at.id)).to.deep.equal([]);
      expect(releaseSteps({ receipt: await at.run.releaseAll({ process: at.engine.release }) })).to.deep.equal([
        'SIGTERM',
      ]);
    });

    it('a release ends a background child that floods the log', async () => {
      const at = createTestRun();
      at.run.ports.output.write = () => {};
      expect(await at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'yes & exit 0'] })).to.deep.equal({
        exitCode: 0,
      });
      expect(findLiving(at.id)).to.deep.equal([]);
    });

    it('a release ends a silent background child', async () => {
      const at = createTestRun();
      await at.engine.process(at.run.ports)({
        argv: ['sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0'],
      });
      // The child is a copy of the shell until it has executed a program of its own.
      await waitUntil('the child is found', () => findLiving(at.id).length === 1);
      expect(releaseSteps({ receipt: await at.run.releaseAll({ process: at.engine.release }) })).to.deep.equal([
        'SIGTERM',
      ]);
      expect(findLiving(at.id)).to.deep.equal([]);
    });

    it('a release finds a parentless process without markers, in its own session, by its output pipe', async () => {
      const at = createTestRun();
      const tag = nextTag();
      await at.engine.process(at.run.ports)({
        argv: ['sh', '-c', `env -i setsid sh -c "sleep 1000; true ${tag}" & sleep 0.1; exit 0`],
      });
      expect(releaseSteps({ receipt: await at.run.releaseAll({ process: at.engine.release }) })).to.deep.equal([
        'SIGTERM',
      ]);
      expect(findLiving(tag)).to.deep.equal([]);
    });
  });

  // With child_process, the gateway cannot find out to which run such a process belongs.
  if (starter === 'posix_spawn')
    describe('a process that has lost the environment, session, parent and pipes of its run', function () {
      this.timeout(60_000);

      const escapeScript = (tag: string): string =>
        `(env -i setsid sh -c "sleep 1000; true ${tag}" >/dev/null 2>&1 </dev/null &); echo started; exec sleep 1000`;

      it('a run ends and reaps such a process of its own, and spares those of other runs', async () => {
        const [own, other] = [
          { at: createTestRun(), tag: nextTag() },
          { at: createTestRun(), tag: nextTag() },
        ];
        const ends = [own, other].map(({ at, tag }) =>
          at.engine.process(at.run.ports)({ argv: ['sh', '-c', escapeScript(tag)] }),
        );
        for (const { at, tag } of [own, other]) {
          await at.run.output.waitForText('started');
          await until('the process runs', () => findEscaped(tag).length === 1);
        }
        const [pid = 0] = findEscaped(own.tag);
        await until('the process belongs to this process', () => readProcess(pid)?.parent === process.pid);
        expect(releaseSteps({ receipt: await cancel(own.at) })).to.deep.equal(['SIGTERM']);
        expect(findEscaped(own.tag)).to.deep.equal([]);
        await until('the process is reaped', () => readProcess(pid) === undefined);
        expect(findEscaped(other.tag)).to.have.length(1);
        await cancel(other.at);
        expect(findEscaped(other.tag)).to.deep.equal([]);
        await Promise.all(ends);
      });

      it('the next gateway finds the process by the mark in the journal', async () => {
        const at = createTestRun();
        const tag = nextTag();
        const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', escapeScript(tag)] });
        await at.run.output.waitForText('started');
        await until('the process runs', () => findEscaped(tag).length === 1);
        const { entry } = at.run.obligations[0]!;
        // With another value of `since`, which is the start of the gateway, the entry belongs to an earlier gateway.
        expect(await release({ ...entry, facts: { ...entry.facts, since: 1 } })).to.deep.equal({ how: 'SIGTERM' });
        expect(findEscaped(tag)).to.deep.equal([]);
        await ended;
      });

      /** Perl code that starts a sibling: the gateway becomes its parent at once (CLONE_PARENT | SIGCHLD). */
      const cloneSibling = `syscall(${process.arch === 'x64' ? 56 : 220}, 0x8000 | 17, 0, 0, 0, 0)`;

      for (const [what, sibling] of [
        ['in a session of its own', 'setsid(); $SIG{TERM} = "IGNORE";'],
        ['with a cleared environment', 'setsid(); %ENV = ();'],
        ['in the group of its leader', '$SIG{TERM} = "IGNORE";'],
      ] as const)
        it(`a run ends a sibling that its process has started, ${what}`, async () => {
          const at = createTestRun({ signal: 'SIGTERM', graceMs: 300 });
          const tag = nextTag();
          const script = `use POSIX; if (${cloneSibling} == 0) {
            ${sibling} open(STDIN, "/dev/null"); open(STDOUT, ">/dev/null"); open(STDERR, ">/dev/null");
            exec("sh", "-c", "sleep 1000; true ${tag}"); } sleep 1;`;
          const ended = at.engine.process(at.run.ports)({ argv: ['perl', '-e', script] });
          const siblings = (): readonly number[] =>
            findLiving(`true ${tag}`).filter((pid) => readProcess(pid)?.name === 'sh');
          await until('the sibling runs', () => siblings().length === 1);
          expect(await ended).to.deep.equal({ exitCode: 0 });
          expect((await at.run.releaseAll({ process: at.engine.release })).clean).to.equal(true);
          expect(siblings()).to.deep.equal([]);
        });

      it('siblings that exit at once are reaped', async () => {
        const at = createTestRun();
        const script = `for (1 .. 20) { POSIX::_exit(0) if ${cloneSibling} == 0; } sleep 3600;`;
        const ended = at.engine.process(at.run.ports)({ argv: ['perl', '-e', `use POSIX; ${script}`] });
        const reaper = getStarter().reaper!;
        const zombies = (): number =>
          reaper.listChildren().filter((pid) => !reaper.hasStarted(pid) && readProcess(pid)?.living === false).length;
        await until('the siblings have exited', () => zombies() >= 20);
        await until('the siblings are reaped', () => zombies() === 0);
        await cancel(at);
        await ended;
      });

      for (const us of [0, 500, 3_000])
        it(`a run ends processes that each start the next one and exit, after ${us} µs`, async () => {
          const at = createTestRun({ signal: 'SIGTERM', graceMs: 100 });
          const tag = nextTag();
          const hop = `use POSIX; $SIG{$_} = "IGNORE" for qw(TERM HUP INT);
            my $end = time + 60;
            while (time < $end) { POSIX::_exit(0) if fork; setsid(); select(undef, undef, undef, ${us} / 1e6); }
            # ${tag}`;
          const argv = ['sh', '-c', 'perl -e "$1" >/dev/null 2>&1 </dev/null & sleep 0.3', 'sh', hop] as const;
          expect(await at.engine.process(at.run.ports)({ argv })).to.deep.equal({ exitCode: 0 });
          const { clean, released } = await at.run.releaseAll({ process: at.engine.release });
          expect([clean, released[0]?.how]).to.deep.equal([true, 'SIGKILL']);
          const until200 = performance.now() + 200;
          while (performance.now() < until200) expect(findLiving(tag)).to.deep.equal([]);
        });

      it('a parentless process that ends by itself is reaped', async () => {
        const at = createTestRun();
        const script = '(setsid sleep 0.2 >/dev/null 2>&1 & echo $!); exec cat';
        const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', script] });
        await at.run.output.waitForText('\n');
        const pid = Number(at.run.output.stdout());
        await until('the process is reaped', () => readProcess(pid) === undefined);
        at.run.endInput();
        expect(await ended).to.deep.equal({ exitCode: 0 });
      });

      it('child_process observes the exits of its own children while the gateway reaps others', async () => {
        const at = createTestRun();
        const script = 'for i in $(seq 50); do (setsid sleep 0.05 >/dev/null 2>&1 &); done; echo done';
        const started = Array.from({ length: 20 }, () =>
          at.engine.process(at.run.ports)({ argv: ['sh', '-c', script] }),
        );
        const codes = Array.from({ length: 100 }, async (_, code) => {
          const child = spawn('sh', ['-c', `exit ${code}`], { stdio: 'ignore' });
          const [seen] = (await once(child, 'exit')) as [number];
          return seen;
        });
        expect(await Promise.all(codes)).to.deep.equal(Array.from({ length: 100 }, (_, code) => code));
        for (const exit of await Promise.all(started)) expect(exit).to.deep.equal({ exitCode: 0 });
        await cancel(at);
      });

      it('child_process observes the exit of a process that it started for another user', () =>
        inFolder(async (folder) => {
          // Only root can enter the folder, so the gateway does not use setpriv.
          const script = path.join(folder, 'script');
          await fs.copyFile('/bin/true', script);
          const at = createTestRun();
          const error = await expectRejection(at.engine.process(at.run.ports)({ argv: [script], uid: 1234 }));
          expect(error.message).to.contain('permission denied');
          expect((await at.run.releaseAll({ process: at.engine.release })).clean).to.equal(true);
        }));
    });

  describe('a process that a crashed gateway has left', function () {
    this.timeout(60_000);

    /** Creates a living process and its journal entry, as left by a crashed gateway. */
    async function left(
      facts: (pid: number) => ObligationEntry['facts'],
      { mark = true } = {},
    ): Promise<{ readonly entry: ObligationEntry; readonly pid: number; readonly gone: Promise<unknown> }> {
      const run = nextTag();
      const env = {
        PATH: process.env['PATH'],
        ...(mark ? { DISTILLERY_RUN: run, DISTILLERY_PROCESS: 'process-1' } : {}),
      };
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env });
      const gone = once(child, 'exit');
      await until('the process runs', () => readProcess(child.pid ?? 0)?.name === 'sleep');
      const pid = child.pid as number;
      return { pid, gone, entry: { run, kind: 'process', id: 'process-1', facts: facts(pid) } };
    }

    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const startTime = (pid: number): number => readProcess(pid)?.startTime ?? -1;

    it('a release needs only the journal entry and is idempotent', async () => {
      const { entry, gone } = await left((pid) => ({ boot, since: 1, pid, startTime: startTime(pid) }));
      expect(await release(entry)).to.deep.equal({ how: 'SIGTERM' });
      await gone;
      expect(await release(entry)).to.deep.equal({ how: 'exited' });
    });

    it('a release finds the process by its marker when the gateway crashed before journaling the pid', async () => {
      const { entry, gone } = await left(() => ({ boot, since: 1 }));
      expect(await release(entry)).to.deep.equal({ how: 'SIGTERM' });
      await gone;
    });

    it('a release spares a process that has reused the pid', async () => {
      const { entry, pid, gone } = await left(
        (given) => ({ boot, since: 1, pid: given, startTime: startTime(given) - 1 }),
        { mark: false },
      );
      expect(await release(entry)).to.deep.equal({ how: 'exited' });
      expect(readProcess(pid)?.living).to.equal(true);
      process.kill(pid, 'SIGKILL');
      await gone;
    });

    it('a release does nothing after a reboot of the machine', async () => {
      const { entry, pid, gone } = await left((given) => ({
        boot: 'another',
        since: 1,
        pid: given,
        startTime: startTime(given),
      }));
      expect(await release(entry)).to.deep.equal({ how: 'exited' });
      process.kill(pid, 'SIGKILL');
      await gone;
    });

    it('a release succeeds for a process that never started', async () => {
      expect(
        await release({ run: nextTag(), kind: 'process', id: 'process-1', facts: { boot, since: 1 } }),
      ).to.deep.equal({ how: 'exited' });
      expect(await release({ run: nextTag(), kind: 'process', id: 'process-1', facts: {} })).to.deep.equal({
        how: 'exited',
      });
    });
  });
});
