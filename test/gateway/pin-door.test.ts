// The pin door as a part of the gateway: at a path of it or an address of its own, on its runs, and ended with it.

import { expect } from 'chai';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { wsClient } from '../helpers/ws-client.ts';

const pipeline = 'workflow: [a]\na: { image: "busybox:latest", script: "echo through the door" }';

async function trigger(base: string): Promise<Response> {
  return fetch(`${base}/trigger?wait=true`, { method: 'POST', body: pipeline });
}

describe('the pin door of a gateway', function () {
  this.timeout(60_000);
  let gateway: TestGateway | undefined;
  afterEach(() => gateway?.stop());

  it('answers at its path, and its pipelines are runs of the gateway', async () => {
    gateway = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\ndoors: { pin: { prefix: /pin } }`);
    expect(await gateway.getJson('/pin/health')).to.include({ status: 'healthy' });
    const answer = await trigger(`${gateway.url}/pin`);
    const record = (await answer.json()) as { id: string; status: string };
    expect([answer.status, record.status]).to.deep.equal([200, 'success']);
    expect(await gateway.getJson(`/api/v1/http/runs/${record.id}`)).to.include({ call: 'pin', outcome: 'succeeded' });
    expect(await gateway.getJson('/healthz')).to.not.equal(undefined);
  });

  it('has an address of its own', async () => {
    gateway = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\ndoors: { pin: { listen: "127.0.0.1:0" } }`);
    const [, url = ''] = /the pin door is open \{"url":"([^"]+)"/.exec(gateway.logged()) ?? [];
    expect((await trigger(url)).status).to.equal(200);
    expect((await fetch(`${gateway.url}/health`)).status).to.equal(404);
    await gateway.stop();
    expect(await fetch(`${url}/health`).then(() => 'open', () => 'closed')).to.equal('closed');
  });

  it('is the only way to its call', async () => {
    gateway = await startTestGateway('doors: { pin: { prefix: /pin } }');
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control({ call: 'pin', params: [pipeline, '{}', 'http_endpoint', 'none'] });
    expect((await client.rest()).json.at(-1)).to.include({ success: false, status: 'rejected', message: 'no such call "pin"' });
    const calls = (await gateway.getJson('/api/v1/http/calls')) as { name: string }[];
    expect(calls.map(({ name }) => name)).to.deep.equal(['pipeline.run']);
  });

  it('refuses what the operator does not allow its pipelines', async () => {
    gateway = await startTestGateway('pipelines: { hostJobs: true }\ndoors: { pin: { prefix: /pin } }');
    const answer = await fetch(`${gateway.url}/pin/trigger`, { method: 'POST', body: 'workflow: [a]\na: { host: true, script: id }' });
    expect([answer.status, ((await answer.json()) as { message: string }).message]).to.deep.equal([400, 'Pipeline validation failed: host jobs are disabled']);
  });

  it('is not opened when its secret is missing, and then nothing is', async () => {
    const problem = await startTestGateway('doors: { pin: { listen: "127.0.0.1:0", token: { variable: DISTILLERY_TEST_NOTHING } } }').catch((error: unknown) => error);
    expect(problem).to.have.property('message').that.contains('DISTILLERY_TEST_NOTHING');
  });
});
