// Tests the pin API as a feature of the gateway: on a path or on its own address, with the runs of the gateway.

import { expect } from 'chai';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const pipeline = 'workflow: [a]\na: { image: "busybox:latest", script: "echo a run of pin" }';

async function trigger(base: string): Promise<Response> {
  return fetch(`${base}/trigger?wait=true`, { method: 'POST', body: pipeline });
}

describe('the pin API of a gateway', function () {
  this.timeout(60_000);
  let gateway: TestGateway | undefined;
  afterEach(() => gateway?.stop());

  it('the pin API serves its path, and its pipelines are runs of the gateway', async () => {
    gateway = await startTestGateway(
      `docker: { host: "${await sharedEngineHost()}" }\ncompat: { pin: { prefix: /pin } }`,
    );
    expect(await gateway.getJson('/pin/health')).to.include({ status: 'healthy' });
    const answer = await trigger(`${gateway.url}/pin`);
    const record = (await answer.json()) as { id: string; status: string };
    expect([answer.status, record.status]).to.deep.equal([200, 'success']);
    expect(await gateway.getJson(`/api/v1/http/runs/${record.id}`)).to.include({ call: 'pin', outcome: 'succeeded' });
    expect(await gateway.getJson('/healthz')).to.not.equal(undefined);
  });

  it('the pin API can listen on its own address', async () => {
    gateway = await startTestGateway(
      `docker: { host: "${await sharedEngineHost()}" }\ncompat: { pin: { listen: "127.0.0.1:0" } }`,
    );
    const [, url = ''] = /the pin API is listening \{"url":"([^"]+)"/.exec(gateway.logText()) ?? [];
    expect((await trigger(url)).status).to.equal(200);
    expect((await fetch(`${gateway.url}/health`)).status).to.equal(404);
    await gateway.stop();
    expect(
      await fetch(`${url}/health`).then(
        () => 'open',
        () => 'closed',
      ),
    ).to.equal('closed');
  });

  it('the call of the pin API can only be made through the pin API', async () => {
    gateway = await startTestGateway('compat: { pin: { prefix: /pin } }');
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: 'pin', params: [pipeline, '{}', 'http_endpoint', 'none'] });
    expect((await client.readToEnd()).json.at(-1)).to.include({
      success: false,
      status: 'rejected',
      message: 'no such call "pin"',
    });
    const calls = (await gateway.getJson('/api/v1/http/calls')) as { name: string }[];
    expect(calls.map(({ name }) => name)).to.deep.equal(['pipeline.run']);
  });

  it('the pin API rejects a pipeline that needs a permission which the operator has not given', async () => {
    gateway = await startTestGateway('pipelines: { hostJobs: true }\ncompat: { pin: { prefix: /pin } }');
    const answer = await fetch(`${gateway.url}/pin/trigger`, {
      method: 'POST',
      body: 'workflow: [a]\na: { host: true, script: id }',
    });
    expect([answer.status, ((await answer.json()) as { message: string }).message]).to.deep.equal([
      400,
      'Pipeline validation failed: host jobs are disabled',
    ]);
  });

  it('a gateway does not start if the secret of the pin API is missing', async () => {
    const error = await startTestGateway(
      'compat: { pin: { listen: "127.0.0.1:0", token: { variable: DISTILLERY_TEST_NOTHING } } }',
    ).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('message').that.contains('DISTILLERY_TEST_NOTHING');
  });
});
