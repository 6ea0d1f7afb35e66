// A pipeline with services, parallel jobs, retries, a network and a volume, cancelled at random instants: whenever that is, nothing is left and the receipt is true.

import { expect } from 'chai';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as instant } from 'node:timers/promises';
import type { RunRecord } from '../../protocol/record.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { containersLeft, pipelineThingsLeft, runProcessesLeft } from '../helpers/leftovers.ts';
import { randomFrom } from '../helpers/random.ts';
import { wsClient } from '../helpers/ws-client.ts';

/** `npm run soak:pipelines` has 200. */
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

/** The pipeline alone takes so long; set by the run that is not cancelled. */
let wholeMs = 0;

describe(`a pipeline that is cancelled at ${count} random instants (seed ${seed})`, function () {
  this.timeout(60_000 + count * 15_000);
  let gateway: TestGateway;

  before(async () => {
    gateway = await startTestGateway(`
docker: { host: "${await sharedEngine()}" }
pipelines: { hostJobs: true }
calls:
  build:
    pipeline: { file: build.yaml, workspace: files }
    stop: { grace: 300ms }
`, { 'build.yaml': pipeline, 'files/made/file': 'a file\n' });
  });

  after(async () => {
    await gateway.stop();
    expect([...await containersLeft(), ...await pipelineThingsLeft()]).to.deep.equal([]);
  });

  /** Cancelled after so many milliseconds, or not at all. */
  async function visit(afterMs?: number): Promise<RunRecord> {
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control({ call: 'build' });
    const rest = client.rest();
    if (afterMs !== undefined) {
      await instant(afterMs);
      client.control({ signal: 'cancel' });
    }
    const { json } = await rest;
    const { id } = json.find((message) => 'run' in message)!['run'] as { id: string };
    expect(json.filter((message) => 'success' in message), 'one result').to.have.lengthOf(1);
    const record = await gateway.getJson(`/api/v1/http/runs/${id}`) as RunRecord;
    expect(json.at(-1)).to.deep.include({ status: record.outcome, cleanup: record.cleanup });
    return record;
  }

  /** By looking, and not by asking the gateway. */
  async function expectNothingLeft({ id, outcome, cleanup }: RunRecord): Promise<void> {
    expect(await containersLeft(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(await pipelineThingsLeft(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(runProcessesLeft(id), `${id}, ${outcome}`).to.deep.equal([]);
    expect(cleanup, `${id}, ${outcome}`).to.deep.include({ clean: true, left: [] });
  }

  it('succeeds when it is left alone', async () => {
    const started = performance.now();
    const record = await visit();
    wholeMs = performance.now() - started;
    expect(record).to.include({ outcome: 'succeeded' });
    await expectNothingLeft(record);
    const kinds = new Set(record.cleanup?.released.map(({ kind }) => kind));
    expect([...kinds].sort()).to.deep.equal(['container', 'network', 'process', 'volume']);
  });

  it('leaves nothing, and says so, whenever it is', async () => {
    const random = randomFrom(seed);
    const moments = Array.from({ length: count }, () => random() * wholeMs * 1.1);
    const records: RunRecord[] = [];
    const worker = async (): Promise<void> => {
      for (let moment = moments.shift(); moment !== undefined; moment = moments.shift()) {
        const record = await visit(moment);
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
