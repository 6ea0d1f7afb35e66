// Asks the kernel log about containers of a real engine, as if the engine had not reported a lack of memory. If this
// user may not read the kernel log, this file declares no tests.

import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import type { Connection } from '../../../server/docker/connect.ts';
import { wasOomKilled } from '../../../server/docker/memory/oom-kill.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { connectDirectly } from '../../helpers/docker/test-steps.ts';

const memory = 16 << 20;
const exceedMemory = 'x=xxxxxxxx; while :; do x=$x$x; done';

describe('docker: lack of memory that the engine does not report', function () {
  this.timeout(60_000);
  let engine: Connection;

  before(async () => {
    engine = await connectDirectly(await sharedEngineHost());
  });

  after(() => engine.close());

  /** Runs a container to its end. Returns its exit code, and whether the gateway finds a lack of memory. */
  async function run(script: string, { init = true } = {}): Promise<{ exitCode: number; oomKilled: boolean }> {
    const container = await engine.docker.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', script],
      HostConfig: { NetworkMode: 'none', Memory: memory, Init: init },
    });
    try {
      await container.start();
      const { StatusCode: exitCode } = (await container.wait()) as { StatusCode: number };
      return { exitCode, oomKilled: await wasOomKilled(container.id, { OOMKilled: false }) };
    } finally {
      await container.remove({ force: true });
    }
  }

  if (!canReadKernelLog()) return;

  it('the kernel log shows that the first process of a container was killed', async () => {
    for (const init of [false, true])
      expect(await run(exceedMemory, { init })).to.deep.equal({ exitCode: 137, oomKilled: true });
  });

  it('the kernel log shows that a child was killed, although the container ends at once after that', async () => {
    const child = `sh -c '${exceedMemory}'`;
    expect(await run(`${child}; exit 0`)).to.deep.equal({ exitCode: 0, oomKilled: true });
    expect(await run(`${child}; exit 3`)).to.deep.equal({ exitCode: 3, oomKilled: true });
  });

  it('a container that ends itself by SIGKILL is not reported as out of memory', async () => {
    expect(await run('kill -9 $$')).to.deep.equal({ exitCode: 137, oomKilled: false });
  });

  it('of several containers at once, exactly those that ran out of memory are reported', async () => {
    const ends = await Promise.all([run(exceedMemory), run('exit 1'), run(exceedMemory), run('kill -9 $$')]);
    expect(ends.map(({ oomKilled }) => oomKilled)).to.deep.equal([true, false, true, false]);
  });
});

function canReadKernelLog(): boolean {
  try {
    closeSync(openSync('/dev/kmsg', 'r'));
    return true;
  } catch {
    return false;
  }
}
