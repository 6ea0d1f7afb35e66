// Tests that the API can be switched off and on again while sessions are open.

import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { errors } from '../../protocol/errors.ts';
import type { Config } from '../../server/config/config.ts';
import { loadConfig } from '../../server/config/load/load.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

describe('the API while it is switched off', () => {
  let gateway: TestGateway;
  let config: Config;

  beforeEach(async () => {
    gateway = await startTestGateway('calls:\n  cat: { process: [cat] }\n');
    const loaded = await loadConfig(join(gateway.folder, 'distillery.yaml'));
    if (!loaded.ok) throw new Error('the configuration is not valid');
    config = loaded.config;
  });

  afterEach(() => gateway.stop());

  const setApi = (api: boolean): void => gateway.gateway.reload({ ...config, http: { ...config.http, api } });

  it('a run continues to its end when the API is switched off', async () => {
    const { ws, received } = await connect(gateway.wsUrl);
    ws.send(Buffer.from('{"call":"cat"}'));
    ws.send('before');
    await once(ws, 'message');
    setApi(false);
    ws.send('after');
    ws.send(Buffer.from('{"signal":"close"}'));
    const [code] = (await once(ws, 'close')) as [number];
    expect(received).to.deep.equal(['before', 'after', '{"success":true}']);
    expect(code).to.equal(1000);
  });

  it('an open session cannot start a call when the API is switched off', async () => {
    const { ws, received } = await connect(gateway.wsUrl);
    setApi(false);
    ws.send(Buffer.from('{"call":"cat"}'));
    await once(ws, 'close');
    expect(received).to.deep.equal([`{"success":false,"message":"${errors.not_implemented.message}"}`]);
    setApi(true);
    expect(await gateway.getJson('/api/v1/http/runs')).to.deep.equal({ runs: [] });
  });

  it('a path of the API returns 501 only while the API is off, and /healthz returns 200 meanwhile', async () => {
    setApi(false);
    expect((await fetch(`${gateway.url}/api/v1/http/calls`)).status).to.equal(501);
    expect((await fetch(`${gateway.url}/healthz`)).status).to.equal(200);
    setApi(true);
    expect((await fetch(`${gateway.url}/api/v1/http/calls`)).status).to.equal(200);
  });
});

async function connect(url: string): Promise<{ ws: WebSocket; received: string[] }> {
  const ws = new WebSocket(url);
  const received: string[] = [];
  ws.on('message', (data) => received.push(String(data)));
  await once(ws, 'open');
  return { ws, received };
}
