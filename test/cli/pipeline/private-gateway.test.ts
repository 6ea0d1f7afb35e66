// Tests `distillery run` without a running gateway: the command runs one itself.

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CliOptions, type RunningCli, runCli, startCli } from '../../helpers/cli/run-cli.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { startTestGateway } from '../../helpers/gateway/test-gateway.ts';
import { leftoverContainers, leftoverProcesses } from '../../helpers/leftovers.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const hostPipeline = `
workflow: [hello, nap]
hello: { host: true, script: echo hello }
nap: { host: true, condition: $NAP, script: [echo asleep, sleep 60] }
`;

describe('distillery run without a gateway', function () {
  this.timeout(60_000);
  let folder: string;
  /** The folder for temporary files, where private gateways create their sockets. */
  let temporary: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'private-'));
    temporary = await mkdtemp(join(tmpdir(), 'sockets-'));
    await writeFile(join(folder, 'pipeline.yaml'), hostPipeline);
    await configure('');
  });
  afterEach(async () => {
    expect(await readdir(temporary), 'folders of sockets').to.deep.equal([]);
    await rm(folder, { recursive: true, force: true });
    await rm(temporary, { recursive: true, force: true });
  });

  /** Writes a configuration whose gateway never answers, because port 1 is never open. */
  const configure = (more: string): Promise<void> =>
    writeFile(
      join(folder, 'distillery.yaml'),
      `http: { listen: "127.0.0.1:1" }\npipelines: { hostJobs: true, run: false }\n${more}`,
    );
  const options = (): CliOptions => ({ cwd: folder, env: { TMPDIR: temporary } });
  const distillery = (...args: readonly string[]) => runCli(args, options());
  const startNap = (...more: readonly string[]): RunningCli =>
    startCli(['run', '--var', 'NAP=yes', ...more], options());

  it('L11: run starts a gateway for the time of the run, and says so', async () => {
    const { stdout, stderr, code } = await distillery('run');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal('[hello] hello\n');
    expect(stderr).to.match(
      /^no gateway answers at http:\/\/127\.0\.0\.1:1; this command runs one until the end of the run\n/,
    );
    expect(stderr).to.match(/\n\[nap\] skipped: its condition is false: \$NAP\n(.*\n)*succeeded\n/);
    expect(existsSync(join(folder, '.distillery/runs.db'))).to.equal(true);
    expect((await distillery('run', '-q')).stderr).to.equal('');
  });

  it('L11: run without a configuration file uses the defaults in the current folder', async () => {
    await rm(join(folder, 'distillery.yaml'));
    const host = await sharedEngineHost();
    await writeFile(
      join(folder, 'pipeline.yaml'),
      'workflow: [a]\na: { image: "busybox:latest", copyFiles: true, workDir: /code, script: ls }',
    );
    const { stdout, stderr, code } = await runCli(['run'], {
      cwd: folder,
      env: { TMPDIR: temporary, DOCKER_HOST: host },
    });
    expect([stdout, code], stderr).to.deep.equal(['[a] pipeline.yaml\n', 0]);
    expect(stderr).to.match(/^no gateway answers at http:\/\/127\.0\.0\.1:8080; /);
    expect(await leftoverContainers()).to.deep.equal([]);
  });

  it('L11: the exit code is that of the failed job', async () => {
    await writeFile(join(folder, 'pipeline.yaml'), 'workflow: [a]\na: { host: true, script: exit 7 }');
    expect((await distillery('run')).code).to.equal(7);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`L11: ${signal} cancels the run and leaves nothing`, async () => {
      const running = startNap('--id', `nap-${signal}`);
      await running.waitForMatch(/\[nap\] asleep/);
      running.child.kill(signal);
      const { code, stderr } = await running.result;
      expect(code).to.equal(130);
      expect(stderr).to.match(/\ncancelled, client requested cancellation\nclean: /);
      expect(leftoverProcesses(`nap-${signal}`)).to.deep.equal([]);
    });
  }

  it('L11: the next command cleans up what the private gateway of a killed command left', async () => {
    const running = startNap('--id', 'killed');
    await running.waitForMatch(/\[nap\] asleep/);
    running.child.kill('SIGKILL');
    await running.result;
    expect((await distillery('run')).code).to.equal(0);
    await waitUntil('nothing of the first run is left', () => leftoverProcesses('killed').length === 0);
    for (const left of await readdir(temporary)) await rm(join(temporary, left), { recursive: true });
  });

  it('L11: run --result and --json work as with a running gateway', async () => {
    const { stdout, code } = await distillery('run', '--json', '--result', 'result.json');
    expect(code).to.equal(0);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(last).to.have.nested.property('result.status', 'succeeded');
    expect(existsSync(join(folder, 'result.json'))).to.equal(true);
  });

  it('L11: the private gateway opens no port', async () => {
    await configure('compat: { pin: { listen: "127.0.0.1:1" } }');
    expect((await distillery('run')).code).to.equal(0);
  });

  it('L11: run uses a running gateway, and says so', async () => {
    const gateway = await startTestGateway('pipelines: { hostJobs: true }');
    try {
      await writeFile(join(folder, 'distillery.yaml'), `http: { listen: "${new URL(gateway.url).host}" }`);
      for (const more of [[], ['--gateway'], ['--url', gateway.url]]) {
        const { stderr, code } = await distillery('run', ...more);
        expect(code, stderr).to.equal(0);
        expect(stderr).to.match(new RegExp(`^using the gateway at ${gateway.url}\n`, 'm'));
      }
      expect(existsSync(join(folder, '.distillery'))).to.equal(false);
    } finally {
      await gateway.stop();
    }
  });

  it('L11: run --gateway, --url and --detach need a running gateway', async () => {
    for (const more of [['--gateway'], ['--url', 'http://127.0.0.1:1'], ['--detach'], ['--on-disconnect', 'detach']]) {
      const { stderr, code, stdout } = await distillery('run', ...more);
      expect(stderr, more.join(' ')).to.match(/distillery serve/);
      expect([code, stdout]).to.deep.equal([125, '']);
    }
    expect(existsSync(join(folder, '.distillery'))).to.equal(false);
  });

  it('L11: two runs do not share a data folder', async () => {
    const running = startNap();
    await running.waitForMatch(/\[nap\] asleep/);
    const { stderr, code } = await distillery('run');
    expect(stderr).to.match(/distillery: cannot start a gateway: the data folder .*in use/);
    expect(code).to.equal(125);
    running.child.kill('SIGINT');
    expect((await running.result).code).to.equal(130);
  });

  it('L11: a configuration that is not valid is reported, and nothing starts', async () => {
    await configure('nonsense: 1\n');
    const { stderr, code } = await distillery('run');
    expect(stderr).to.match(/distillery\.yaml:\d+:\d+: .*nonsense/);
    expect(code).to.equal(2);
  });

  it('L11: the run is cancelled when the reader of the output closes the pipe', async () => {
    await writeFile(join(folder, 'pipeline.yaml'), 'workflow: [a]\na: { host: true, script: yes }');
    const running = startCli(['run', '--plain', '--id', 'broken-pipe'], options());
    await running.waitForMatch(/\[a\] y/);
    running.child.stdout?.destroy();
    expect((await running.result).code).to.equal(141);
    expect(leftoverProcesses('broken-pipe')).to.deep.equal([]);
  });
});
