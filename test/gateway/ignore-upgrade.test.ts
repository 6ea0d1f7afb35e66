// Tests clients that offer HTTP/2 in an Upgrade header, as curl --http2 does.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';

describe('a request with an upgrade other than websocket', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway('calls: {}\n');
  });
  after(() => gateway.stop());

  for (const path of ['/healthz', '/api/v1/http/calls', '/nowhere']) {
    it(`an upgrade to HTTP/2 is ignored: ${path}`, async () => {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n` +
          'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n',
      );
      const plain = await fetch(`${gateway.url}${path}`);
      expect(answer)
        .to.match(new RegExp(`^HTTP/1.1 ${plain.status} `))
        .and.to.match(/^connection: close\r$/im);
      expect(answer.endsWith(await plain.text())).to.equal(true);
      expect(answer.match(/HTTP\/1\.1/g)).to.have.length(1);
    });
  }

  async function raw(request: string): Promise<string> {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(request);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }
});
