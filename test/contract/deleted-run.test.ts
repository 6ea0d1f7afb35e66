// Tests a run that retention deletes during a replay: the client receives a gap for the missing lines, then the result.

import { expect } from 'chai';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

/** The output, of 20 MB, is more than the sockets hold while the client does not read. */
const lines = 200_000;
const lineBytes = 99;

describe('a run that is deleted during its replay', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(`
retention: { runs: 1 }
limits: { segmentBytesMax: 1048576 }
calls:
  count: { process: [seq, -f, '%0${lineBytes}.0f', '${lines}'] }
  brief: { process: ['true'] }
`);
  });
  after(() => gateway.stop());

  const connect = () => connectWsClient(`${gateway.url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);

  it('a client receives the remaining lines of a deleted run, then the gap, then the result', async () => {
    const first = await connect();
    first.sendControl({ call: 'count', run: 'old' });
    await first.readToEnd();
    const late = await connect();
    late.sendControl({ attach: 'old', after: 0 });
    await late.nextLine().catch(() => late.nextLine());
    late.ws.pause();
    const second = await connect();
    second.sendControl({ call: 'brief' });
    await second.readToEnd();
    await waitUntil(
      'the run is deleted',
      async () => (await fetch(`${gateway.url}/api/v1/http/runs/old`)).status === 404,
      20_000,
    );
    late.ws.resume();
    const { texts, json, code } = await late.readToEnd();
    const gaps = json.flatMap((message) =>
      'gap' in message ? [message['gap'] as { from: number; to: number; reason: string }] : [],
    );
    expect(gaps).to.have.length(1);
    expect(gaps[0]).to.include({ to: lines, reason: 'retention' });
    expect(texts.at(-1)).to.equal(String(gaps[0]!.from - 1).padStart(lineBytes, '0'));
    expect(json.at(-1)).to.include({ success: true, status: 'succeeded', next: lines + 1 });
    expect(code).to.equal(1000);
    await expectIdle(gateway);
  });
});
