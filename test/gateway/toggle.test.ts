// Switching the API off while sessions are open.

import { expect } from 'chai';
import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { loadConfig } from '../../server/config/load.ts';
import type { Config } from '../../server/config/config.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';

describe('the API, switched off', () => {
  let gateway: TestGateway;
  let config: Config;

  beforeEach(async () => {
    gateway = await startTestGateway('calls:\n  cat: { process: [cat] }\n');
    const loaded = await loadConfig(join(gateway.folder, 'distillery.yaml'));
    if (!loaded.ok) throw new Error('the configuration is not valid');
    config = loaded.config;
  });

  afterEach(() => gateway.stop());

  const switchTo = (api: boolean): void => gateway.gateway.reload({ ...config, http: { ...config.http, api } });

  it('lets a run go on to its end', async () => {
    const { ws, heard } = await open(gateway.wsUrl);
    ws.send(Buffer.from('{"call":"cat"}'));
    ws.send('before');
    await once(ws, 'message');
    switchTo(false);
    ws.send('after');
    ws.send(Buffer.from('{"signal":"close"}'));
    const [code] = (await once(ws, 'close')) as [number];
    expect(heard).to.deep.equal(['before', 'after', '{"success":true}']);
    expect(code).to.equal(1000);
  });

  it('starts nothing for a session that was open already', async () => {
    const { ws, heard } = await open(gateway.wsUrl);
    switchTo(false);
    ws.send(Buffer.from('{"call":"cat"}'));
    await once(ws, 'close');
    expect(heard).to.deep.equal(['{"success":false,"message":"API is not implemented on this server"}']);
    switchTo(true);
    expect(await gateway.getJson('/api/v1/http/runs')).to.deep.equal({ runs: [] });
  });

  it('answers 501 on every path, and again what it should when it is back on', async () => {
    switchTo(false);
    expect((await fetch(`${gateway.url}/api/v1/http/calls`)).status).to.equal(501);
    expect((await fetch(`${gateway.url}/healthz`)).status).to.equal(200);
    switchTo(true);
    expect((await fetch(`${gateway.url}/api/v1/http/calls`)).status).to.equal(200);
  });
});

async function open(url: string): Promise<{ ws: WebSocket; heard: string[] }> {
  const ws = new WebSocket(url);
  const heard: string[] = [];
  ws.on('message', (data) => heard.push(String(data)));
  await once(ws, 'open');
  return { ws, heard };
}
