// Restarts the engine, and in one test also the gateway, while container runs and pipelines go on.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, startCli } from '../helpers/cli/run-cli.ts';
import { type RestartableEngine, startRestartableEngine } from '../helpers/docker/restartable-engine.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

const calls = `
  slow:
    container: { image: busybox, network: none, command: [sh, -c, 'for i in $(seq 40); do echo $i; sleep 0.1; done'] }
    onDisconnect: detach
  forever: { container: { image: busybox, network: none, command: [sleep, "300"] }, onDisconnect: detach }
  jobs: { pipeline: { file: jobs.yaml }, onDisconnect: detach }
`;
const jobs = 'workflow: a\na: { image: busybox, network: none, script: "echo up; sleep 300" }\n';

describe('P6: a gateway whose engine restarts', function () {
  this.timeout(180_000);
  let daemon: RestartableEngine;
  let folder: string;
  let served: RunningCli;
  let url: string;

  before(async () => {
    daemon = await startRestartableEngine({ liveRestore: true });
    folder = await mkdtemp(join(tmpdir(), 'restarts-'));
    await writeFile(join(folder, 'jobs.yaml'), jobs);
    await writeFile(
      join(folder, 'distillery.yaml'),
      `http: { api: true, listen: "127.0.0.1:0" }\ndata: data\ndocker: { host: "${daemon.host}" }\ncalls:${calls}`,
    );
    await serve();
  });

  after(async () => {
    served?.child.kill('SIGTERM');
    await served?.result;
    await daemon?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(): Promise<void> {
    served = startCli(['serve'], { cwd: folder, env: { LOG_LEVEL: 'error' } });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 60_000))[1]!;
  }

  async function record(run: string): Promise<RunRecord> {
    const headers = { connection: 'close' };
    return (await fetch(`${url}/api/v1/http/runs/${run}`, { headers })).json() as Promise<RunRecord>;
  }

  async function start(call: string): Promise<{ readonly run: string; readonly client: WsClient }> {
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.sendControl({ call, params: [] });
    for (;;) {
      const message = await client.next();
      if ('closed' in message) throw new Error('the session closed');
      if ('json' in message && 'run' in message.json)
        return { run: (message.json['run'] as { id: string }).id, client };
    }
  }

  const hasLines = (run: string, count: number) => async (): Promise<boolean> => (await record(run)).lines >= count;
  const hasEnded = (run: string) => async (): Promise<boolean> => (await record(run)).state === 'ended';

  it('P6: a container run continues across a restart of the engine, and no line is lost', async () => {
    const { run } = await start('slow');
    await waitUntil('the first lines arrive', hasLines(run, 3));
    await daemon.stop('SIGTERM');
    await daemon.start();
    await waitUntil('the run ends', hasEnded(run), 30_000);
    expect(await record(run)).to.deep.include({ outcome: 'succeeded', exitCode: 0, lines: 40 });
  });

  for (const call of ['forever', 'jobs'])
    it(`P6: a cancel ends "${call}" while its engine is down; the receipt is completed after the restart`, async () => {
      const { run, client } = await start(call);
      await waitUntil('the container runs', async () => {
        const text = await (await fetch(`${url}/api/v1/http/runs/${run}/events`)).body?.getReader().read();
        return /container-started/.test(Buffer.from(text?.value ?? []).toString());
      });
      await daemon.stop('SIGKILL');
      client.sendControl({ signal: 'cancel' });
      await waitUntil('the run ends', hasEnded(run), 30_000);
      expect((await record(run)).outcome).to.equal('cancelled');
      expect((await record(run)).cleanup?.clean).to.equal(false);
      await daemon.start();
      await waitUntil('the receipt is complete', async () => (await record(run)).cleanup?.clean === true, 30_000);
      expect((await record(run)).cleanup?.left).to.deep.equal([]);
    });

  it('P6: a gateway that starts before its engine adopts the run when the engine answers', async () => {
    const { run } = await start('slow');
    await waitUntil('the first lines arrive', hasLines(run, 3));
    served.child.kill('SIGKILL');
    await served.result;
    await daemon.stop('SIGKILL');
    await serve();
    expect((await record(run)).state).to.equal('running');
    await daemon.start();
    await waitUntil('the run ends', hasEnded(run), 30_000);
    expect(await record(run)).to.deep.include({ outcome: 'succeeded', lines: 40 });
  });
});
