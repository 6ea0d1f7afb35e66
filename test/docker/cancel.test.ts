// Stops runs with containers at various moments and checks the receipts.

import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { type ContainerSpec, type Exit, WorkFailed } from '../../calls/contract/engines.ts';
import type { Receipt } from '../../protocol/run-record.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { createTestEngine, expectRejection } from '../helpers/docker/test-engine.ts';
import { connectDirectly } from '../helpers/docker/test-steps.ts';
import { type FakePorts, fakePorts } from '../helpers/runs/fake-run-ports.ts';
import { createRandom } from '../helpers/seeded-random.ts';
import { endlessGraceMs, waitUntil } from '../helpers/wait-until.ts';

const spec = (script: string): ContainerSpec => ({ image: 'busybox', command: ['sh', '-c', script], network: 'none' });
const ignoresSignals = spec('trap "" TERM; echo ready; while :; do sleep 1; done');
const sleeps = spec('echo ready; exec sleep 60');

/** Set FUZZ_SEED to the seed of a failed test to repeat its moments. */
const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(1_000_000));

describe('docker: cancelling a container', function () {
  this.timeout(90_000);
  let engine: DockerEngine;

  before(async () => {
    engine = createTestEngine(await sharedEngineHost());
  });

  after(() => engine.close());

  afterEach(async () => {
    expect(await engine.listResources()).to.deep.equal([]);
  });

  async function cancel(run: FakePorts): Promise<Receipt> {
    run.abort();
    return run.releaseAll({ container: engine.release });
  }

  const steps = (receipt: Receipt): string[] => receipt.released.map(({ how }) => how);

  it('a container that ends at the stop signal returns its exit code', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const exit = engine.container(run.ports)(sleeps);
    await run.output.waitForText('ready');
    const receipt = await cancel(run);
    expect(steps(receipt)).to.deep.equal(['SIGTERM']);
    expect(await exit).to.deep.equal({ exitCode: 143 });
  });

  it('a forced release skips the rest of the grace', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const work = engine.container(run.ports)(ignoresSignals);
    await run.output.waitForText('ready');
    const released = cancel(run);
    run.forceStop();
    expect(steps(await released)).to.deep.equal(['SIGKILL']);
    expect(await work).to.deep.equal({ exitCode: 137 });
  });

  const trapsInShell = 'trap "echo cleanup" TERM; echo ready; sleep 300';

  it('P4: a shell that waits for its foreground process handles the stop signal within the grace', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const exit = engine.container(run.ports)(spec(trapsInShell));
    await run.output.waitForText('ready');
    expect(steps(await cancel(run))).to.deep.equal(['SIGTERM']);
    expect(run.output.stdout()).to.equal('ready\ncleanup\n');
    await exit;
  });

  it('P4: the stop signal reaches processes that another user has started in the running container', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const exit = engine.container(run.ports)({
      ...spec('trap "" TERM; echo ready; while [ ! -e /tmp/end ]; do sleep 0.1; done'),
      user: '1234',
    });
    await run.output.waitForText('ready');
    const container = run.obligations[0]?.entry.facts['container'];
    const { docker } = await connectDirectly(await sharedEngineHost());
    const later = await docker.getContainer(String(container)).exec({
      Cmd: ['sh', '-c', 'trap "touch /tmp/end" TERM; touch /tmp/later; while :; do sleep 0.1; done'],
      User: '5678',
    });
    await later.start({ Detach: true });
    await waitUntil('the later process runs', async () => (await later.inspect()).Running);
    await waitUntil('the later process has its trap', async () => {
      const found = await docker
        .getContainer(String(container))
        .infoArchive({ path: '/tmp/later' })
        .catch(() => '');
      return found !== '';
    });
    expect(steps(await cancel(run))).to.deep.equal(['SIGTERM']);
    await exit;
  });

  it('P4: a process suspended by SIGSTOP in a container is resumed, so that it handles the stop signal', async () => {
    const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: endlessGraceMs } });
    const exit = engine.container(run.ports)(
      spec('trap "echo cleanup; exit 4" TERM; echo ready; kill -STOP $$; sleep 9'),
    );
    await run.output.waitForText('ready');
    expect(steps(await cancel(run))).to.deep.equal(['SIGTERM']);
    expect(await exit).to.deep.equal({ exitCode: 4 });
  });

  it('a stopped run creates no container', async () => {
    const run = fakePorts();
    run.abort();
    expect(await engine.container(run.ports)(sleeps)).to.deep.equal({});
    expect(run.events).to.deep.equal([]);
  });

  for (const type of ['container-created', 'container-started']) {
    it(`a run stopped right after ${type} leaves nothing`, async () => {
      const run = fakePorts();
      const work = engine.container(run.ports)(sleeps);
      await run.waitForEvent(type);
      const receipt = await cancel(run);
      expect(receipt.clean).to.equal(true);
      const exit = await work;
      expect([undefined, 137, 143]).to.include(exit.exitCode);
    });
  }

  it(`a run stopped at one of 30 random moments leaves nothing (seed ${seed})`, async () => {
    const random = createRandom(seed);
    const moments = Array.from({ length: 30 }, () => random() * 500);
    for (let at = 0; at < moments.length; at += 3) {
      await Promise.all(
        moments.slice(at, at + 3).map(async (ms) => {
          const run = fakePorts({ stop: { signal: 'SIGTERM', graceMs: 5_000 } });
          const work = engine
            .container(run.ports)(spec('echo ready; sleep 0.2'))
            .catch((error: unknown) => error);
          // The random delay is what this test is about.
          await pause(ms);
          const receipt = await cancel(run);
          const exit = (await work) as Exit;
          expect(exit, `after ${ms} ms`).to.not.be.instanceOf(Error);
          expect(receipt.clean, `after ${ms} ms: ${JSON.stringify(receipt)}`).to.equal(true);
          // The receipt lists each obligation that the run has opened.
          expect(receipt.released.length).to.equal(run.obligations.length);
        }),
      );
    }
    expect(await engine.listResources()).to.deep.equal([]);
  });

  it('a release of a container needs only its journal entry', async () => {
    const run = fakePorts();
    const exit = engine.container(run.ports)(sleeps);
    await run.output.waitForText('ready');
    const entry = run.obligations[0]?.entry;
    if (entry === undefined) throw new Error('nothing was journaled');
    const nextEngine = createTestEngine(await sharedEngineHost());
    const written = JSON.parse(JSON.stringify(entry)) as typeof entry;
    const options = { stop: run.ports.stop, force: new AbortController().signal, pending: Promise.resolve() };
    expect(await nextEngine.release(written, options)).to.deep.equal({ how: 'SIGTERM' });
    expect(await nextEngine.release(written, options)).to.deep.equal({ how: 'gone' });
    nextEngine.close();
    expect(await exit).to.deep.equal({ exitCode: 143 });
  });

  it('a release succeeds for a container that was never created', async () => {
    const options = {
      stop: { signal: 'SIGTERM', graceMs: 100 } as const,
      force: new AbortController().signal,
      pending: Promise.resolve(),
    };
    const entry = { run: 'never', kind: 'container', id: 'distillery-never', facts: {} } as const;
    expect(await engine.release(entry, options)).to.deep.equal({ how: 'never created' });
  });

  it('a release removes no container of another run', async () => {
    const [other, ended] = [fakePorts({ run: 'a' }), fakePorts({ run: 'a.b' })];
    const exits = [other, ended].map((run) => engine.container(run.ports)(sleeps));
    await Promise.all([other, ended].map((run) => run.output.waitForText('ready')));
    await cancel(ended);
    await exits[1];
    expect(await engine.listResources()).to.have.length(1);
    await cancel(other);
    await exits[0];
  });

  it('a release reports what may still exist when no engine answers', async () => {
    const nowhere = createTestEngine('unix:///no/such/engine.sock');
    const options = {
      stop: { signal: 'SIGTERM', graceMs: 100 } as const,
      force: new AbortController().signal,
      pending: Promise.resolve(),
    };
    const release = await nowhere.release({ run: 'r', kind: 'container', id: 'distillery-r', facts: {} }, options);
    expect(release).to.deep.equal({ left: 'distillery-r may still exist: the Docker engine does not answer' });
    const error = await expectRejection(nowhere.container(fakePorts().ports)(sleeps));
    expect(error).to.be.instanceOf(WorkFailed);
    expect(error.message).to.equal('no Docker engine answers: start one, or set docker.host in distillery.yaml');
    nowhere.close();
  });
});
