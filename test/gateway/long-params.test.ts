// Tests a gateway whose clients send long params that nearly match a pattern.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const yaml = `
limits: { paramBytesMax: 64k }
calls:
  evil: { params: [{ name: a, bytesMax: 900k, schema: { pattern: "^(a|aa)+$" } }], process: [echo] }
  plain: { params: [{ name: a }], process: [echo] }
`;

describe('a gateway with long params', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  async function call(name: string, value: string): Promise<Readonly<Record<string, unknown>>> {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: name, params: [value] });
    const { json } = await client.readToEnd();
    return json.at(-1)!;
  }

  it('S12: a client gets a response while others send 100 to 400 kB that nearly match a pattern', async () => {
    const values = [100_000, 250_000, 400_000].map((size) => `${'a'.repeat(size)}!`);
    const results = values.map((value) => call('evil', value));
    expect((await fetch(`${gateway.url}/api/v1/http/calls`)).status).to.equal(200);
    for (const result of await Promise.all(results)) {
      expect(result).to.include({ success: false, status: 'rejected' });
      expect(result['message']).to.contain('must match pattern "^(a|aa)+$"');
    }
  });

  it('S12: a value above limits.paramBytesMax is rejected over the websocket and over the REST API', async () => {
    const value = 'x'.repeat((64 << 10) + 1);
    expect((await call('plain', value))['message']).to.contain('must have at most 65536 bytes, not 65537');
    expect(await call('plain', value.slice(1))).to.include({ success: true });
    const started = await fetch(`${gateway.url}/api/v1/pow/new`, {
      method: 'POST',
      body: JSON.stringify({ call: 'plain', params: [value] }),
    });
    const status = await gateway.getJson(`/api/v1/pow/status/${(await started.json()) as string}`);
    expect(JSON.stringify(status)).to.contain('must have at most 65536 bytes');
  });

  it('S12: the list of calls shows the maximum size of a param that sets one', async () => {
    const calls = (await gateway.getJson('/api/v1/http/calls')) as readonly { name: string; params: unknown[] }[];
    expect(calls.find(({ name }) => name === 'evil')?.params[0]).to.have.property('bytesMax', 921_600);
    expect(calls.find(({ name }) => name === 'plain')?.params[0]).to.not.have.property('bytesMax');
  });
});
