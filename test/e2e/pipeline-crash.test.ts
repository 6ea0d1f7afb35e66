// Kills a gateway during a pipeline. The next gateway must remove and report everything that is left, including
// networks and folders.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { startCli } from '../helpers/cli/run-cli.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { leftoverContainers, leftoverNetworksAndVolumes, leftoverProcesses } from '../helpers/leftovers.ts';

const busy = `
workflow: [server, worker, host]
server:
  image: busybox:latest
  parallel: true
  copyFiles: true
  volumes: [shared:/shared]
  services:
    db: { image: "busybox:latest", command: [sleep, "600"] }
  script: |
    cat file
    sleep 600
worker:
  image: busybox:latest
  parallel: true
  volumes: [shared:/shared]
  script: |
    echo working
    sleep 600
host:
  host: true
  parallel: true
  script: |
    echo hosting
    sleep 600
`;

describe('a gateway that is killed during a pipeline', function () {
  this.timeout(90_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'killed-'));
    await writeFile(
      join(folder, 'distillery.yaml'),
      `http: { api: true, listen: "127.0.0.1:0" }
shutdown: { grace: 0s }
data: data
limits: { graceMs: 1s }
pipelines: { hostJobs: true }
docker: { host: "${await sharedEngineHost()}" }
`,
    );
    await writeFile(join(folder, 'busy.yaml'), busy);
    await writeFile(join(folder, 'file'), 'the file\n');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function serve() {
    const serving = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
    const [, url = ''] = await serving.waitForMatch(/^listening on (http:\/\/\S+)\n$/);
    return { ...serving, url };
  }

  it('a restarted gateway leaves nothing of the pipeline; its run has the outcome unknown and a receipt', async () => {
    const first = await serve();
    const running = startCli(['run', 'busy.yaml', '--no-reconnect'], {
      cwd: folder,
      env: { DISTILLERY_URL: first.url },
    });
    const [, run = ''] = await running.waitForMatch(/^run (\S+) of/m);
    for (const line of [/\[server\] the file\n/, /\[worker\] working\n/, /\[host\] hosting\n/])
      await running.waitForMatch(line);
    expect(await leftoverContainers(run)).to.have.length(3);
    expect(await leftoverNetworksAndVolumes(run)).to.have.length(2);
    expect(await readdir(join(folder, 'data/work'))).not.to.deep.equal([]);
    first.child.kill('SIGKILL');
    await first.result;
    expect((await running.result).code).to.equal(125);
    expect(await leftoverContainers(run)).to.have.length(3);

    const second = await serve();
    try {
      expect([
        ...(await leftoverContainers(run)),
        ...(await leftoverNetworksAndVolumes(run)),
        ...leftoverProcesses(run),
      ]).to.deep.equal([]);
      expect(await readdir(join(folder, 'data/work'))).to.deep.equal([]);
      const record = (await (await fetch(`${second.url}/api/v1/http/runs/${run}`)).json()) as RunRecord;
      expect(record).to.include({ state: 'ended', outcome: 'unknown', call: 'pipeline.run' });
      expect(record.cleanup).to.include({ clean: true });
      const kinds = record.cleanup?.released.map(({ kind }) => kind) ?? [];
      expect(kinds.filter((kind) => kind === 'container')).to.have.length(3);
      expect(kinds).to.include.members(['network', 'volume', 'process', 'folder']);
    } finally {
      second.child.kill('SIGTERM');
      await second.result;
    }
  });
});
