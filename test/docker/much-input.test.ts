// Tests a container that receives much input at once, and one that exchanges bytes.

import { expect } from 'chai';
import { WebSocket } from 'ws';
import { endpoint, openCall } from '../../protocol/client/client.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { seededRandom } from '../helpers/runs/test-log.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

describe('the input of a container', function () {
  this.timeout(120_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(`
docker: { host: ${JSON.stringify(await sharedEngineHost())} }
calls:
  cat: { container: { image: "busybox:latest", network: none, command: [cat] } }
  deaf: { container: { image: "busybox:latest", network: none, command: [sh, -c, 'echo ready; exec sleep 60'] } }
  copy: { container: { image: "busybox:latest", network: none, command: [cat] }, input: bytes, output: bytes }
`);
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));

  const lines = Array.from({ length: 1000 }, (_, i) => `${i} `.padEnd(2000, 'x'));

  it('P7: a container echoes 1000 frames of 2000 bytes that were sent at once', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'cat' });
    for (const line of lines) client.sendText(line);
    client.sendControl({ signal: 'close' });
    const { texts, json } = await client.readToEnd();
    expect(texts).to.deep.equal(lines);
    expect(json).to.deep.equal([{ success: true }]);
  });

  it('P7: a container stops at a cancel that was sent after 20 MB of unread input', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'deaf' });
    expect(await client.nextLine()).to.equal('ready');
    for (let i = 0; i < 20; i++) client.sendText('x'.repeat(1_000_000));
    client.sendControl({ signal: 'cancel' });
    const { json } = await client.readToEnd();
    expect(json).to.deep.equal([{ success: false, message: 'cancelled: client requested cancellation' }]);
  });

  it('a container exchanges bytes unchanged in both directions', async () => {
    const random = seededRandom(3);
    const sent = Buffer.from(Array.from({ length: 200_000 }, () => random(256)));
    const received: Uint8Array[] = [];
    const call = openCall({
      url: endpoint(gateway.url),
      socket: WebSocket,
      call: 'copy',
      bytes: true,
      onItem: (item) => {
        if ('bytes' in item) received.push(item.bytes);
      },
    });
    await call.write(sent);
    call.end();
    expect((await call.result).status).to.equal('succeeded');
    expect(Buffer.concat(received).equals(sent)).to.equal(true);
  });
});
