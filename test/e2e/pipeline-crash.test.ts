// A gateway that is killed in the middle of a pipeline: the next one ends what is left of it, to the last network and folder, and says so.

import { expect } from 'chai';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRecord } from '../../protocol/record.ts';
import { startCli } from '../helpers/cli.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { containersLeft, pipelineThingsLeft, runProcessesLeft } from '../helpers/leftovers.ts';

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
    await writeFile(join(folder, 'distillery.yaml'), `http: { api: true, listen: "127.0.0.1:0" }\nshutdown: { grace: 0s }\ndata: data\nlimits: { graceMs: 1s }\npipelines: { hostJobs: true }\ndocker: { host: "${await sharedEngine()}" }\n`);
    await writeFile(join(folder, 'busy.yaml'), busy);
    await writeFile(join(folder, 'file'), 'the file\n');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function serve() {
    const serving = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
    const [, url = ''] = await serving.says(/^listening on (http:\/\/\S+)\n$/);
    return { ...serving, url };
  }

  it('leaves nothing behind once it is started again, and the run is told as unknown, with its receipt', async () => {
    const first = await serve();
    const running = startCli(['run', 'busy.yaml', '--no-reconnect'], { cwd: folder, env: { DISTILLERY_URL: first.url } });
    const [, run = ''] = await running.says(/^run (\S+) of/m);
    for (const line of [/\[server\] the file\n/, /\[worker\] working\n/, /\[host\] hosting\n/]) await running.says(line);
    expect(await containersLeft(run)).to.have.length(3);
    expect(await pipelineThingsLeft(run)).to.have.length(2);
    expect(await readdir(join(folder, 'data/work'))).not.to.deep.equal([]);
    first.child.kill('SIGKILL');
    await first.ended;
    expect((await running.ended).code).to.equal(125);
    expect(await containersLeft(run)).to.have.length(3);

    const second = await serve();
    try {
      expect([...await containersLeft(run), ...await pipelineThingsLeft(run), ...runProcessesLeft(run)]).to.deep.equal([]);
      expect(await readdir(join(folder, 'data/work'))).to.deep.equal([]);
      const record = (await (await fetch(`${second.url}/api/v1/http/runs/${run}`)).json()) as RunRecord;
      expect(record).to.include({ state: 'ended', outcome: 'unknown', call: 'pipeline.run' });
      expect(record.cleanup).to.include({ clean: true });
      const kinds = record.cleanup?.released.map(({ kind }) => kind) ?? [];
      expect(kinds.filter((kind) => kind === 'container')).to.have.length(3);
      expect(kinds).to.include.members(['network', 'volume', 'process', 'folder']);
    } finally {
      second.child.kill('SIGTERM');
      await second.ended;
    }
  });
});
