// A call at the command line whose gateway is killed and started again.

import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCli, type RunningCli } from '../helpers/cli.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { soon } from '../helpers/until.ts';

const lines = 300;

describe('distillery call, when the gateway is killed and started again', function () {
  this.timeout(90_000);
  let folder: string;
  let served: RunningCli;
  let url: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'restart-'));
    await writeFile(join(folder, 'distillery.yaml'), `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
docker: { host: ${JSON.stringify(await sharedEngine())} }
calls:
  box:
    container:
      image: busybox:latest
      network: none
      command: [sh, -c, 'i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo $i; usleep 5000; done']
  asleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
`);
    await serve([]);
  });

  after(async () => {
    served.child.kill('SIGTERM');
    await served.ended;
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(args: readonly string[]): Promise<void> {
    served = startCli(['serve', '--config', join(folder, 'distillery.yaml'), ...args], { env: { LOG_LEVEL: 'error' } });
    url = (await soon('the gateway listens', served.says(/listening on (http:\S+)/), 60_000))[1]!;
  }

  async function killAndServe(): Promise<void> {
    served.child.kill('SIGKILL');
    await served.ended;
    await serve(['--listen', new URL(url).host]);
  }

  const call = (name: string): RunningCli => startCli(['call', '--no-stdin', name], { env: { DISTILLERY_URL: url } });

  it('goes on with a container at the exact line, and says so', async () => {
    const calling = call('box');
    await calling.says(/^50$/m);
    await killAndServe();
    const { stdout, stderr, code } = await calling.ended;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(''));
    expect(stderr).to.match(/^connection lost; trying to connect again\nconnected again, /m).and.to.match(/^succeeded, /m);
  });

  it('says of a process that its end was not seen', async () => {
    const calling = call('asleep');
    await calling.says(/ready/);
    await killAndServe();
    const { stdout, stderr, code } = await calling.ended;
    expect([stdout, code], stderr).to.deep.equal(['ready\n', 125]);
    expect(stderr).to.match(/connection lost/).and.to.match(/^unknown, the gateway ended before/m);
  });
});
