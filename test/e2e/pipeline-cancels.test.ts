// Cancels a pipeline with services, parallel jobs, retries, a network and a volume at random instants. Nothing may be
// left, and the receipt must be true.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as instant } from 'node:timers/promises';
import { expect } from 'chai';
import type { RunRecord } from '../../protocol/run-record.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { leftoverContainers, leftoverNetworksAndVolumes, leftoverProcesses } from '../helpers/leftovers.ts';
import { createRandom } from '../helpers/seeded-random.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

/** Number of cancels. `npm run soak:pipelines` uses 200. */
const count = Number(process.env['PIPELINE_CANCELS'] ?? 12);
const seed = Number(process.env['PIPELINE_SEED'] ?? 20_261_125);
const atOnce = 4;

const pipeline = `
workflow: [first, left, right, again, host, last]
first:
  image: busybox:latest
  script: echo first; cat made/file
  copyFiles: true
  artifacts: [made/*]
left:
  image: busybox:latest
  parallel: true
  network: shared
  volumes: ["scratch:/scratch"]
  services:
    web:
      image: busybox:latest
      command: [sh, -c, 'mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www']
      health: { command: wget -q -O /dev/null http://127.0.0.1/, interval: 100ms, retries: 20 }
  script: [wget -q -O - http://web/, echo left > /scratch/left]
right:
  image: busybox:latest
  parallel: true
  network: shared
  volumes: ["scratch:/scratch"]
  soloExecution: true
  script: [echo one, sleep 0.2, echo right > /scratch/right]
again:
  image: busybox:latest
  volumes: ["scratch:/scratch"]
  retry: { attempts: 3, delay: 0 }
  script: |
    echo try >> /scratch/tries
    test "$(wc -l < /scratch/tries)" = 3
host:
  host: true
  script: [echo on the host, sleep 0.1]
last:
  image: busybox:latest
  script: trap "" TERM; echo last; sleep 0.3
`;

/** Duration of the whole pipeline, measured in the run that no client cancels. */
let fullDurationMs = 0;

describe(`a pipeline that is cancelled at ${count} random instants (seed ${seed})`, function () {
  this.timeout(60_000 + count * 15_000);
  let gateway: TestGateway;

  before(async () => {
    gateway = await startTestGateway(
      `
docker: { host: "${await sharedEngineHost()}" }
pipelines: { hostJobs: true }
calls:
  build:
    pipeline: { file: build.yaml, workspace: files }
    stop: { grace: 300ms }
`,
      { 'build.yaml': pipeline, 'files/made/file': 'a file\n' },
    );
  });

  after(async () => {
    await gateway.stop();
    expect([...(await leftoverContainers()), ...(await leftoverNetworksAndVolumes())]).to.deep.equal([]);
  });

  /**
   * Runs the pipeline and cancels it after `afterMs`; without `afterMs`, no client cancels it. Returns the record of
   * the run.
   */
  async function runPipeline(afterMs?: number): Promise<RunRecord> {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: 'build' });
    const rest = client.readToEnd();
    if (afterMs !== undefined) {
      await instant(afterMs);
      client.sendControl({ signal: 'cancel' });
    }
    const { json } = await rest;
    const { id } = json.find((message) => 'run' in message)!['run'] as { id: string };
    expect(
      json.filter((message) => 'success' in message),
      'one result',
    ).to.have.lengthOf(1);
    const record = (await gateway.getJson(`/api/v1/http/runs/${id}`)) as RunRecord;
    expect(json.at(-1)).to.deep.include({ status: record.outcome, cleanup: record.cleanup });
    return record;
  }

  /** Checks that the run has left nothing. Inspects the machine directly, because the gateway could be wrong. */
  async function expectNothingLeft({ id, outcome, cleanup }: RunRecord): Promise<void> {
    expect(await leftoverContainers(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(await leftoverNetworksAndVolumes(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(leftoverProcesses(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(cleanup, `${id}, ${outcome}`).to.deep.include({ clean: true, left: [] });
  }

  it('the pipeline succeeds if it is not cancelled', async () => {
    const started = performance.now();
    const record = await runPipeline();
    fullDurationMs = performance.now() - started;
    expect(record).to.include({ outcome: 'succeeded' });
    await expectNothingLeft(record);
    const kinds = new Set(record.cleanup?.released.map(({ kind }) => kind));
    expect([...kinds].sort()).to.deep.equal(['container', 'network', 'process', 'volume']);
  });

  it('the cancelled pipeline leaves nothing, and its receipt says so', async () => {
    const random = createRandom(seed);
    const moments = Array.from({ length: count }, () => random() * fullDurationMs * 1.1);
    const records: RunRecord[] = [];
    const worker = async (): Promise<void> => {
      for (let moment = moments.shift(); moment !== undefined; moment = moments.shift()) {
        const record = await runPipeline(moment);
        expect(record.outcome).to.be.oneOf(['cancelled', 'succeeded']);
        await expectNothingLeft(record);
        records.push(record);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    expect(records).to.have.lengthOf(count);
    expect(records.filter(({ outcome }) => outcome === 'cancelled').length).to.be.greaterThan(count / 2);
    expect(await readdir(join(gateway.folder, 'data', 'work')).catch(() => [])).to.deep.equal([]);
  });
});
