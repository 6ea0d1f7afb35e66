// Tests `distillery call` while its gateway is killed and started again.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, startCli } from '../helpers/cli/run-cli.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';

const lines = 300;

describe('distillery call while the gateway is killed and started again', function () {
  this.timeout(90_000);
  let folder: string;
  let served: RunningCli;
  let url: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'restart-'));
    await writeFile(
      join(folder, 'distillery.yaml'),
      `
http: { api: true, listen: "127.0.0.1:0" }
data: data
limits: { inputBytesMax: 64k }
shutdown: { grace: 0s }
docker: { host: ${JSON.stringify(await sharedEngineHost())} }
calls:
  box:
    container:
      image: busybox:latest
      network: none
      command: [sh, -c, 'i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo $i; usleep 5000; done']
  bytebox:
    output: bytes
    container:
      image: busybox:latest
      network: none
      command: [sh, -c, 'i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); printf "\\377$i\\000"; usleep 5000; done']
  deaf: { container: { image: busybox:latest, network: none, command: [sh, -c, 'echo ready; sleep 4; echo done'] } }
  asleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
`,
    );
    await serve([]);
  });

  after(async () => {
    served.child.kill('SIGTERM');
    await served.result;
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(args: readonly string[]): Promise<void> {
    served = startCli(['serve', '--config', join(folder, 'distillery.yaml'), ...args], { env: { LOG_LEVEL: 'error' } });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 60_000))[1]!;
  }

  async function killAndServe(): Promise<void> {
    served.child.kill('SIGKILL');
    await served.result;
    await serve(['--listen', new URL(url).host]);
  }

  const call = (name: string): RunningCli => startCli(['call', '--no-stdin', name], { env: { DISTILLERY_URL: url } });

  it('call resumes a container at the exact line and reports the reconnection', async () => {
    const calling = call('box');
    await calling.waitForMatch(/^50$/m);
    await killAndServe();
    const { stdout, stderr, code } = await calling.result;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(''));
    expect(stderr)
      .to.match(/^connection lost; reconnecting\nreconnected; /m)
      .and.to.match(/^succeeded, /m);
  });

  it('S3: SIGUSR2 leaves a container to the next gateway, and call resumes it at the exact line', async () => {
    const calling = call('box');
    await calling.waitForMatch(/^50$/m);
    served.child.kill('SIGUSR2');
    expect((await withDeadline('the gateway ends', served.result, 30_000)).code).to.equal(0);
    await serve(['--listen', new URL(url).host]);
    const { stdout, stderr, code } = await calling.result;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(''));
  });

  it('S3: with shutdown.containers: leave, SIGTERM leaves containers and cancels processes', async () => {
    const file = join(folder, 'distillery.yaml');
    const before = await readFile(file, 'utf8');
    await writeFile(file, before.replace('grace: 0s', 'grace: 0s, containers: leave'));
    served.child.kill('SIGTERM');
    await served.result;
    await serve(['--listen', new URL(url).host]);
    const [box, asleep] = [call('box'), call('asleep')];
    await Promise.all([box.waitForMatch(/^50$/m), asleep.waitForMatch(/ready/)]);
    served.child.kill('SIGTERM');
    expect((await withDeadline('the gateway ends', served.result, 30_000)).code).to.equal(0);
    expect((await asleep.result).stderr).to.match(/^cancelled, /m);
    await writeFile(file, before);
    await serve(['--listen', new URL(url).host]);
    const { stdout, stderr, code } = await box.result;
    expect(code, stderr).to.equal(0);
    expect(stdout.trimEnd().split('\n')).to.have.length(lines);
  });

  it('call reports the outcome unknown for a container whose output is bytes', async () => {
    const calling = call('bytebox');
    await calling.waitForMatch(/50/);
    await killAndServe();
    const { stderr, code } = await calling.result;
    expect(code, stderr).to.equal(125);
    expect(stderr).to.match(/^unknown, the gateway ended before/m);
  });

  it('P7: call resumes a container whose unread input is in a file, and the file is removed', async () => {
    const calling = startCli(['call', 'deaf'], {
      env: { DISTILLERY_URL: url },
      input: `${'x'.repeat(999)}\n`.repeat(400),
    });
    await calling.waitForMatch(/ready/);
    const work = join(folder, 'data', 'work');
    const inputs = async (): Promise<readonly string[]> => (await readdir(work)).filter((name) => /input$/.test(name));
    await waitUntil('the input is in a file', async () => (await inputs()).length === 1);
    await killAndServe();
    const { stdout, stderr, code } = await calling.result;
    expect([stdout, code], stderr).to.deep.equal(['ready\ndone\n', 0]);
    expect(await inputs()).to.deep.equal([]);
  });

  it('call reports the outcome unknown for a process', async () => {
    const calling = call('asleep');
    await calling.waitForMatch(/ready/);
    await killAndServe();
    const { stdout, stderr, code } = await calling.result;
    expect([stdout, code], stderr).to.deep.equal(['ready\n', 125]);
    expect(stderr)
      .to.match(/connection lost/)
      .and.to.match(/^unknown, the gateway ended before/m);
  });
});
