// Tests that the `ws` package can use the gateway as documented, with processes and containers.

import { expect } from 'chai';
import type { WebSocket } from 'ws';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { expectIdle, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import {
  describeDisconnectingClient,
  describeStayingClient,
  type V1Client,
  yaml,
} from '../helpers/websocket/v1-client-suites.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const containers = (host: string): string => `${yaml}
  words: { container: { image: "busybox:latest", command: [wc, -w], network: none } }
  slumber: { container: { image: "busybox:latest", command: [sh, -c, 'echo ready; sleep 60'], network: none } }
docker: { host: ${JSON.stringify(host)} }
`;

describe('the ws client', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(containers(await sharedEngineHost()));
  });
  after(() => gateway.stop());

  describeStayingClient({ gateway: () => gateway, connect: () => open(gateway, (ws) => ws.close()) });
  describeDisconnectingClient('closes its socket', {
    gateway: () => gateway,
    connect: () => open(gateway, (ws) => ws.close()),
  });
  describeDisconnectingClient('vanishes', {
    gateway: () => gateway,
    connect: () => open(gateway, (ws) => ws.terminate()),
  });

  describe('the ws client with containers', () => {
    afterEach(() => expectIdle(gateway, 20_000));

    it('the ws client sends input to a container until its end', async () => {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'words' });
      client.sendText('three small words');
      client.sendText('and two');
      client.sendControl({ signal: 'close' });
      expect(await client.readToEnd()).to.deep.equal({ texts: ['5'], json: [{ success: true }], code: 1000 });
      await clean('succeeded');
    });

    it('the ws client cancels a container', async () => {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'slumber' });
      expect(await client.nextLine()).to.equal('ready');
      client.sendControl({ signal: 'cancel' });
      expect(await client.readToEnd()).to.deep.equal({
        texts: [],
        json: [{ success: false, message: 'cancelled: client requested cancellation' }],
        code: 1000,
      });
      await clean('cancelled');
    });

    it('the ws client disconnects from a running container', async () => {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'slumber' });
      expect(await client.nextLine()).to.equal('ready');
      client.ws.terminate();
      await clean('cancelled');
    });

    async function clean(outcome: string): Promise<void> {
      const { id, cleanup, outcome: found } = await waitForNewestRun(gateway);
      expect(await gateway.getJson(`/api/v1/http/runs/${id}`)).to.include({ outcome });
      expect(found).to.equal(outcome);
      expect(cleanup).to.deep.include({ clean: true, left: [] });
      expect(cleanup?.released.map(({ kind }) => kind)).to.include('container');
    }
  });
});

async function open(gateway: TestGateway, leave: (ws: WebSocket) => void): Promise<V1Client> {
  const client = await connectWsClient(gateway.wsUrl);
  const texts: string[] = [];
  return {
    send: async (message) => {
      if (typeof message === 'string') client.sendText(message);
      else client.sendControl(message);
    },
    async waitForText(text) {
      do texts.push(await client.nextLine());
      while (texts.at(-1) !== text);
    },
    async readToEnd() {
      const rest = await client.readToEnd();
      return { texts: [...texts, ...rest.texts], results: rest.json, code: rest.code, clean: rest.code !== 1006 };
    },
    disconnect: async () => leave(client.ws),
  };
}
