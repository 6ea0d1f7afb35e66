// Tests that the gateway yields to the event loop while it handles many messages that one client sent at once.

import { expect } from 'chai';
import { countTurns } from '../helpers/count-turns.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { connectRawClient } from '../helpers/websocket/raw-client.ts';
import { encodeFrame } from '../helpers/websocket/raw-frames.ts';

const frames = 2_000;

describe('a gateway with a client that sends many messages at once', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway('calls: { wait: { process: [cat] } }\n');
  });
  after(() => gateway.stop());

  for (const [what, text] of [
    ['malformed messages', '{"x'],
    ['unknown messages', '{"x":1}'],
    ['resize messages', '{"signal":"resize","cols":80,"rows":24}'],
  ] as const)
    it(`S14: many ${what} at once are spread over turns of the event loop`, async () => {
      const client = await connectRawClient(gateway.url, { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } });
      const frame = encodeFrame('binary', text);
      const turns = await countTurns(async () => {
        client.write(encodeFrame('binary', '{"call":"wait"}'), ...Array.from({ length: frames }, () => frame));
        client.sendControl({ signal: 'cancel' });
        expect((await fetch(`${gateway.url}/healthz`)).status).to.equal(200);
        await client.closed;
      });
      expect(turns).to.be.greaterThan(frames / 32);
    });
});
