// Tests the recipes for reverse proxies in docs/operations.md with the real proxies.

import { request } from 'node:https';
import { expect } from 'chai';
import { parseDuration } from '../../calls/text/units.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import { waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import {
  login,
  proxyHost,
  type ReverseProxy,
  readRecipe,
  startCaddy,
  startNginx,
} from '../helpers/http/proxy-process.ts';
import { openStream } from '../helpers/http/sse-reader.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

const calls = `
limits: { messageBytesMax: 8m, inputBytesMax: 8m }
calls:
  cat: { process: [cat] }
  count: { process: [wc, -c] }
`;
const authorization = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`;

/** TLS options with which a client accepts any certificate of the proxy. */
const tls = { servername: proxyHost, rejectUnauthorized: false };

interface Response {
  readonly status: number;
  readonly body: string;
}

interface Request {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

for (const [name, start] of [
  ['nginx', startNginx],
  ['Caddy', startCaddy],
] as const)
  describe(`S8: the recipe for ${name}`, function () {
    this.timeout(60_000);
    let gateway: TestGateway;
    let proxy: ReverseProxy;

    before(async () => {
      gateway = await startTestGateway(readRecipe('yaml').replace('127.0.0.1:8080', '127.0.0.1:0') + calls);
      proxy = await start(gateway.url);
    });
    after(async () => {
      await proxy?.stop();
      await gateway.stop();
    });

    const headersFor = (more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
      Host: `${proxyHost}:${proxy.port}`,
      Authorization: authorization,
      ...more,
    });

    const ask = (path: string, { method = 'GET', body, headers }: Request = {}): Promise<Response> =>
      new Promise((resolve, reject) => {
        const asked = request(
          {
            host: '127.0.0.1',
            port: proxy.port,
            ...tls,
            agent: false,
            path,
            method,
            headers: headersFor(headers),
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk: string) => {
              text += chunk;
            });
            response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          },
        );
        asked.on('error', reject);
        asked.end(body);
      });

    const connect = (headers: Readonly<Record<string, string>> = {}): Promise<WsClient> =>
      connectWsClient(`wss://127.0.0.1:${proxy.port}/api/v1/ws`, ['distillery.v2'], {
        ...tls,
        headers: headersFor(headers),
      });

    /** Starts `cat` and resolves when its run is announced. */
    async function startCat(): Promise<{ readonly client: WsClient; readonly id: string }> {
      const client = await connect();
      client.sendControl({ call: 'cat' });
      const message = await client.next();
      if (!('json' in message)) throw new Error(`no announcement: ${JSON.stringify(message)}`);
      return { client, id: (message.json['run'] as { readonly id: string }).id };
    }

    it('a websocket client makes a call, sends input, and receives output and result', async () => {
      const { client } = await startCat();
      client.sendText('hello');
      client.sendControl({ signal: 'close' });
      const { texts, json, code } = await client.readToEnd();
      expect(texts).to.deep.equal(['hello']);
      expect(json.at(-1)).to.include({ success: true, status: 'succeeded' });
      expect(code).to.equal(1000);
    });

    it('an event stream delivers each line before the client sends the next one', async () => {
      const { client, id } = await startCat();
      const stream = await openStream(proxy.port, `/api/v1/http/runs/${id}/events`, {
        headers: headersFor(),
        servername: proxyHost,
      });
      for (const line of ['one', 'two', 'three']) {
        client.sendText(line);
        await stream.has(`the line "${line}" arrives`, (messages) => messages.some(({ data }) => data.includes(line)));
      }
      client.sendControl({ signal: 'close' });
      await client.readToEnd();
      await stream.end();
    });

    it('an upload can be larger than the default limits of proxies', async () => {
      const bytes = 5 << 20;
      const id = JSON.parse(
        (await ask('/api/v1/pow/new', { method: 'POST', body: '{"call":"count"}' })).body,
      ) as string;
      const sent = await ask(`/api/v1/pow/input/${id}`, { method: 'POST', body: Buffer.alloc(bytes) });
      expect(sent).to.deep.equal({ status: 200, body: 'input sent' });
      await ask(`/api/v1/pow/closeInput/${id}`, { method: 'POST' });
      const { state } = await waitForNewestRun(gateway);
      expect(state).to.equal('ended');
      expect(JSON.parse((await ask(`/api/v1/pow/status/${id}`)).body)).to.have.property('buffer', String(bytes));
    });

    it('the proxy asks for the password, and the gateway ignores it', async () => {
      for (const value of ['', `Basic ${Buffer.from('ada:wrong').toString('base64')}`])
        expect((await ask('/api/v1/http/calls', { headers: { Authorization: value } })).status).to.equal(401);
      expect((await ask('/api/v1/http/calls')).status).to.equal(200);
    });

    it('a request for a foreign host gets no data, and only pages of the own origin are accepted', async () => {
      const [foreignHost, foreignOrigin] = [{ Host: 'evil.example' }, { Origin: 'https://evil.example' }];
      const own = { Origin: `https://${proxyHost}:${proxy.port}` };
      // Caddy has no site with the foreign name and answers the request itself, without the gateway.
      const { status, body } = await ask('/api/v1/http/calls', { headers: foreignHost });
      expect(name === 'nginx' ? [status, JSON.parse(body).code] : body).to.deep.equal(
        name === 'nginx' ? [404, 'unknown_host'] : '',
      );
      const post = { method: 'POST', body: '{"call":"count"}' };
      expect((await ask('/api/v1/pow/new', { ...post, headers: foreignOrigin })).status).to.equal(403);
      expect((await ask('/api/v1/pow/new', { ...post, headers: own })).status).to.equal(200);
      const refused = await connect(foreignOrigin).catch((error: unknown) => String(error));
      expect(refused).to.match(/403/);
      const { ws } = await connect(own);
      ws.close();
    });
  });

describe('S8: the timeouts of the recipes', () => {
  it('the idle timeout of nginx is longer than the longest silence of the gateway', () => {
    const [, timeout = ''] = /proxy_read_timeout\s+(\S+);/.exec(readRecipe('nginx')) ?? [];
    const { pingMs, heartbeatMs } = defaultLimits;
    expect(parseDuration(timeout)).to.be.above(Math.max(pingMs, heartbeatMs));
  });

  it('the recipe for Caddy sets no timeout', () => {
    expect(readRecipe('caddy')).not.to.match(/timeout/);
  });
});
