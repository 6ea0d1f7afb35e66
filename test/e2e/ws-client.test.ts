// The stock `ws` client uses the gateway as its documentation says, with processes and with containers.

import { expect } from 'chai';
import type { WebSocket } from 'ws';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { newestEnded, settled } from '../helpers/settled.ts';
import { wsClient } from '../helpers/ws-client.ts';
import { leaves, stays, yaml, type Client } from './clients.ts';

const containers = (host: string): string => `${yaml}
  words: { container: { image: "busybox:latest", command: [wc, -w], network: none } }
  slumber: { container: { image: "busybox:latest", command: [sh, -c, 'echo ready; sleep 60'], network: none } }
docker: { host: ${JSON.stringify(host)} }
`;

describe('the ws client', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(containers(await sharedEngine())); });
  after(() => gateway.stop());

  stays({ gateway: () => gateway, open: () => open(gateway, (ws) => ws.close()) });
  leaves('closes its socket', { gateway: () => gateway, open: () => open(gateway, (ws) => ws.close()) });
  leaves('vanishes', { gateway: () => gateway, open: () => open(gateway, (ws) => ws.terminate()) });

  describe('with containers', () => {
    afterEach(() => settled(gateway, 20_000));

    it('feeds one to its end', async () => {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'words' });
      client.text('three small words');
      client.text('and two');
      client.control({ signal: 'close' });
      expect(await client.rest()).to.deep.equal({ texts: ['5'], json: [{ success: true }], code: 1000 });
      await clean('succeeded');
    });

    it('cancels one', async () => {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'slumber' });
      expect(await client.line()).to.equal('ready');
      client.control({ signal: 'cancel' });
      expect(await client.rest()).to.deep.equal({ texts: [], json: [{ success: false, message: 'cancelled: client requested cancellation' }], code: 1000 });
      await clean('cancelled');
    });

    it('abandons one', async () => {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'slumber' });
      expect(await client.line()).to.equal('ready');
      client.ws.terminate();
      await clean('cancelled');
    });

    async function clean(outcome: string): Promise<void> {
      const { id, cleanup, outcome: found } = await newestEnded(gateway);
      expect(await gateway.getJson(`/api/v1/http/runs/${id}`)).to.include({ outcome });
      expect(found).to.equal(outcome);
      expect(cleanup).to.deep.include({ clean: true, left: [] });
      expect(cleanup?.released.map(({ kind }) => kind)).to.include('container');
    }
  });
});

async function open(gateway: TestGateway, leave: (ws: WebSocket) => void): Promise<Client> {
  const client = await wsClient(gateway.wsUrl);
  const texts: string[] = [];
  return {
    send: async (message) => { if (typeof message === 'string') client.text(message); else client.control(message); },
    async heard(text) {
      do texts.push(await client.line()); while (texts.at(-1) !== text);
    },
    async rest() {
      const rest = await client.rest();
      return { texts: [...texts, ...rest.texts], results: rest.json, code: rest.code, clean: rest.code !== 1006 };
    },
    abandon: async () => leave(client.ws),
  };
}
