// Real process trees that do not want to end, and the truth about how they did.

import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import type { ProcessSpec } from '../../calls/contract/engines.ts';
import type { ObligationEntry, Release } from '../../calls/contract/ports.ts';
import type { Receipt } from '../../protocol/record.ts';
import { readProcess } from '../../server/process/proc.ts';
import { bench, cancel, engine, inFolder, living, until } from './kit.ts';
import type { Bench } from './kit.ts';

interface Ended {
  readonly at: Bench;
  readonly receipt: Receipt;
  readonly ms: number;
  readonly exit: unknown;
}

/** Starts, waits for `ready` in the output so many times, cancels, and checks that nothing is left that carries the run's mark or `tag`. */
async function startAndCancel(
  spec: ProcessSpec['argv'], { at = bench(), ready = 1, ...more }: { readonly at?: Bench; readonly ready?: number; readonly tag?: string } = {},
): Promise<Ended> {
  const tag = more.tag ?? at.id;
  const started = at.engine.process(at.run.ports)({ argv: spec, env: { TAG: tag } });
  await until('all are ready', () => at.run.output.stdout().split('ready').length > ready);
  const begun = performance.now();
  const receipt = await cancel(at);
  const ms = performance.now() - begun;
  const exit = await started;
  await until('nothing is left', () => living(tag).length + living(at.id).length === 0, 500);
  return { at, receipt, ms, exit };
}

function how({ receipt }: Pick<Ended, 'receipt'>): readonly string[] {
  expect(receipt.left).to.deep.equal([]);
  return receipt.released.map((released) => released.how);
}

async function release(entry: ObligationEntry, { graceMs = 2_000, hurry = new AbortController().signal } = {}): Promise<Release> {
  return engine().release(entry, { stop: { signal: 'SIGTERM', graceMs }, hurry, flow: Promise.resolve() });
}

const nextTag = (() => {
  let tags = 0;
  return (): string => `tag-${process.pid}-${(tags += 1)}-`;
})();

describe('ending a process', function () {
  this.timeout(30_000);

  it('finds nothing to do when it has exited', async () => {
    const at = bench();
    await at.engine.process(at.run.ports)({ argv: ['true'] });
    const receipt = await at.run.releaseWith({ process: at.engine.release });
    expect(how({ receipt })).to.deep.equal(['exited']);
    expect(receipt.released[0]?.ms).to.be.lessThan(200);
  });

  it('needs only the stop signal when that is enough', async () => {
    const ended = await startAndCancel(['sh', '-c', 'echo ready; exec sleep 1000']);
    expect(how(ended)).to.deep.equal(['SIGTERM']);
    expect(ended.exit).to.deep.equal({ signal: 'SIGTERM' });
    expect(ended.ms).to.be.lessThan(500);
  });

  it('lets it clean up within the grace', async () => {
    const ended = await startAndCancel(['sh', '-c', 'trap "sleep 0.3; echo cleaned; exit 9" TERM; echo ready; while :; do sleep 0.02; done']);
    expect(how(ended)).to.deep.equal(['SIGTERM']);
    expect(ended.exit).to.deep.equal({ exitCode: 9 });
    expect(ended.at.run.output.stdout()).to.equal('ready\ncleaned\n');
  });

  it('sends the stop signal of the call, once', async () => {
    const at = bench({ signal: 'SIGUSR1', graceMs: 5_000 });
    const ended = await startAndCancel(['bash', '-c', 'trap "echo one; sleep 0.4; exit" USR1; echo ready; while :; do sleep 0.01; done'], { at });
    expect(how(ended)).to.deep.equal(['SIGUSR1']);
  });

  it('closes the input first', async () => {
    const at = bench();
    const ended = at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'trap "" TERM; echo ready; cat; echo eof'] });
    await at.run.output.has('ready');
    expect(await at.run.obligations[0]?.obligation.release()).to.deep.equal({ how: 'SIGTERM' });
    expect(await ended).to.deep.equal({ exitCode: 0 });
    expect(at.run.output.stdout()).to.equal('ready\neof\n');
  });

  it('leaves none of three generations that ignore SIGTERM, one in its own session, within the grace and a second', async () => {
    const graceMs = 500;
    const at = bench({ signal: 'SIGTERM', graceMs });
    const script = 'trap "" TERM; (trap "" TERM; setsid sh -c \'trap "" TERM; (trap "" TERM; echo ready; while :; do sleep 1; done) & echo ready; while :; do sleep 1; done\' & echo ready; while :; do sleep 1; done) & echo ready; while :; do sleep 1; done';
    const ended = await startAndCancel(['sh', '-c', script], { at, ready: 4 });
    expect(how(ended)).to.deep.equal(['SIGKILL']);
    expect(ended.ms).to.be.within(graceMs, graceMs + 1_000);
    expect(ended.exit).to.deep.equal({ signal: 'SIGKILL' });
  });

  const trees: readonly (readonly [string, string, number])[] = [
    ['a grandchild with a clean environment in its own session', 'env -i TAG=$TAG setsid sh -c "echo ready; sleep 1000; true" & echo ready; wait', 2],
    ['children of such a one, whose parent is gone', 'env -i TAG=$TAG setsid sh -c "(sleep 1000; true) & echo ready; sleep 1000; true" & echo ready; wait', 2],
    ['a daemon that forked twice', '(setsid sh -c "(echo ready; sleep 1000; true) & exit" &) ; echo ready; sleep 1000; true', 2],
    ['a child in its own group', 'set -m; sh -c "echo ready; sleep 1000; true" & echo ready; wait', 2],
    ['children that stopped themselves', 'sh -c "echo ready; kill -STOP \\$\\$; sleep 1000" & sh -c "trap \\"exit 0\\" TERM; echo ready; kill -STOP \\$\\$; sleep 1000" & echo ready; kill -STOP $$; sleep 1000', 3],
  ];
  for (const [what, script, ready] of trees) {
    it(`ends ${what}`, async () => {
      const at = bench({ signal: 'SIGTERM', graceMs: 3_000 });
      const ended = await startAndCancel(['bash', '-c', script], { at, ready, tag: nextTag() });
      expect(how(ended)).to.deep.equal(['SIGTERM']);
      expect(ended.ms).to.be.lessThan(1_000);
    });
  }

  it('wakes what is stopped, so that it can act on the signal', async () => {
    const ended = await startAndCancel(['bash', '-c', 'trap "echo woken; exit 5" TERM; echo ready; kill -STOP $$; sleep 1000']);
    expect(how(ended)).to.deep.equal(['SIGTERM']);
    expect(ended.exit).to.deep.equal({ exitCode: 5 });
    expect(ended.at.run.output.stdout()).to.contain('woken');
  });

  it('ends what keeps giving birth to new ones', async () => {
    const at = bench({ signal: 'SIGTERM', graceMs: 300 });
    const script = 'trap "" TERM; echo ready; for i in $(seq 400); do setsid sh -c "trap \\"\\" TERM; sleep 5; true" & sleep 0.005; done; wait';
    const ended = await startAndCancel(['bash', '-c', script], { at });
    expect(how(ended)).to.deep.equal(['SIGKILL']);
  });

  it('ends a chain that hops from session to session', async () => {
    await inFolder(async (folder) => {
      const hop = path.join(folder, 'hop');
      await fs.writeFile(hop, '#!/bin/sh\ntrap "" TERM\n[ $1 -gt 200 ] && exit\nsetsid "$0" $(($1 + 1)) &\n', { mode: 0o755 });
      const at = bench({ signal: 'SIGTERM', graceMs: 100 });
      const ended = await startAndCancel(['sh', '-c', `"$0" 1 & echo ready; sleep 1000`, hop], { at, tag: nextTag() });
      expect(how(ended)[0]).to.be.oneOf(['SIGTERM', 'SIGKILL']);
    });
  });

  it('skips the rest of the grace when it is to hurry', async () => {
    const at = bench({ signal: 'SIGTERM', graceMs: 20_000 });
    const started = at.engine.process(at.run.ports)({ argv: ['bash', '-c', 'trap "echo told" TERM; echo ready; while :; do sleep 0.01; done'] });
    await at.run.output.has('ready');
    const cancelled = cancel(at);
    await at.run.output.has('told');
    const begun = performance.now();
    at.run.hurry();
    expect(how({ receipt: await cancelled })).to.deep.equal(['SIGKILL']);
    expect(performance.now() - begun).to.be.lessThan(1_000);
    expect(await started).to.deep.equal({ signal: 'SIGKILL' });
  });

  it('kills at once when the stop signal is SIGKILL, or the grace nothing', async () => {
    for (const stop of [{ signal: 'SIGKILL', graceMs: 20_000 }, { signal: 'SIGTERM', graceMs: 0 }] as const) {
      const ended = await startAndCancel(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], { at: bench(stop) });
      expect(how(ended)).to.deep.equal(['SIGKILL']);
      expect(ended.ms).to.be.lessThan(1_000);
    }
  });

  it('ends one process of a run and leaves the others', async () => {
    const at = bench();
    const start = at.engine.process(at.run.ports);
    const both = [start({ argv: ['sleep', '1000'] }), start({ argv: ['sleep', '1000'] })];
    await until('both run', () => at.run.obligations.length === 2);
    const [first, second] = at.run.obligations;
    expect(await first?.obligation.release()).to.deep.equal({ how: 'SIGTERM' });
    expect(readProcess(second?.entry.facts['pid'] as number)?.living).to.equal(true);
    await cancel(at);
    expect(await Promise.all(both)).to.deep.equal([{ signal: 'SIGTERM' }, { signal: 'SIGTERM' }]);
  });
});

describe('a process that has ended but whose children go on', function () {
  this.timeout(30_000);

  it('is over when a background child has ended too, without waiting for the bound', async () => {
    const at = bench();
    const exit = await at.engine.process(at.run.ports)({ argv: ['sh', '-c', '(sleep 0.1; echo late) & echo early; exit 3'] });
    expect(exit).to.deep.equal({ exitCode: 3 });
    expect(at.run.output.stdout()).to.equal('early\nlate\n');
  });

  it('has its writing background child ended, and keeps its own exit code', async () => {
    const at = bench();
    const exit = await at.engine.process(at.run.ports)({ argv: ['sh', '-c', '(while :; do echo more; sleep 0.01; done) & exit 3'] });
    expect(exit).to.deep.equal({ exitCode: 3 });
    expect(living(at.id)).to.deep.equal([]);
    expect(how({ receipt: await at.run.releaseWith({ process: at.engine.release }) })).to.deep.equal(['SIGTERM']);
  });

  it('has a child ended that floods the log', async () => {
    const at = bench();
    at.run.ports.output.write = () => {};
    expect(await at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'yes & exit 0'] })).to.deep.equal({ exitCode: 0 });
    expect(living(at.id)).to.deep.equal([]);
  });

  it('has a silent child ended by the release', async () => {
    const at = bench();
    await at.engine.process(at.run.ports)({ argv: ['sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0'] });
    expect(living(at.id)).to.have.length(1);
    expect(how({ receipt: await at.run.releaseWith({ process: at.engine.release }) })).to.deep.equal(['SIGTERM']);
    expect(living(at.id)).to.deep.equal([]);
  });

  it('has a child ended that cleaned its environment, left the session and lost its parent, but holds the output', async () => {
    const at = bench();
    const tag = nextTag();
    await at.engine.process(at.run.ports)({ argv: ['sh', '-c', `env -i setsid sh -c "sleep 1000; true ${tag}" & sleep 0.1; exit 0`] });
    expect(how({ receipt: await at.run.releaseWith({ process: at.engine.release }) })).to.deep.equal(['SIGTERM']);
    expect(living(tag)).to.deep.equal([]);
  });
});

describe('a process left behind by a crash', function () {
  this.timeout(30_000);

  /** As a fallen gateway leaves it: a living process, and its entry in the journal. */
  async function left(facts: (pid: number) => ObligationEntry['facts'], { mark = true } = {}): Promise<{ readonly entry: ObligationEntry; readonly pid: number; readonly gone: Promise<unknown> }> {
    const run = nextTag();
    const env = { PATH: process.env['PATH'], ...(mark ? { DISTILLERY_RUN: run, DISTILLERY_PROCESS: 'process-1' } : {}) };
    const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', env });
    const gone = once(child, 'exit');
    await until('it runs', () => readProcess(child.pid ?? 0)?.name === 'sleep');
    const pid = child.pid as number;
    return { pid, gone, entry: { run, kind: 'process', id: 'process-1', facts: facts(pid) } };
  }

  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const startTime = (pid: number): number => readProcess(pid)?.startTime ?? -1;

  it('is ended from its entry alone, and twice is safe', async () => {
    const { entry, gone } = await left((pid) => ({ boot, since: 1, pid, startTime: startTime(pid) }));
    expect(await release(entry)).to.deep.equal({ how: 'SIGTERM' });
    await gone;
    expect(await release(entry)).to.deep.equal({ how: 'exited' });
  });

  it('is found by its mark when the gateway fell before writing down its pid', async () => {
    const { entry, gone } = await left(() => ({ boot, since: 1 }));
    expect(await release(entry)).to.deep.equal({ how: 'SIGTERM' });
    await gone;
  });

  it('is not mistaken for another that was given its pid', async () => {
    const { entry, pid, gone } = await left((given) => ({ boot, since: 1, pid: given, startTime: startTime(given) - 1 }), { mark: false });
    expect(await release(entry)).to.deep.equal({ how: 'exited' });
    expect(readProcess(pid)?.living).to.equal(true);
    process.kill(pid, 'SIGKILL');
    await gone;
  });

  it('is not looked for after a new start of the machine', async () => {
    const { entry, pid, gone } = await left((given) => ({ boot: 'another', since: 1, pid: given, startTime: startTime(given) }));
    expect(await release(entry)).to.deep.equal({ how: 'exited' });
    process.kill(pid, 'SIGKILL');
    await gone;
  });

  it('is gone when it never began', async () => {
    expect(await release({ run: nextTag(), kind: 'process', id: 'process-1', facts: { boot, since: 1 } })).to.deep.equal({ how: 'exited' });
    expect(await release({ run: nextTag(), kind: 'process', id: 'process-1', facts: {} })).to.deep.equal({ how: 'exited' });
  });
});
