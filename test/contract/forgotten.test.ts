// A run that is forgotten while somebody is being told its output: what is gone is told as a gap, and then how it ended.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';

const lines = 3_000_000;

describe('a run that is forgotten while it is replayed', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(`
retention: { runs: 1 }
limits: { segmentBytesMax: 1048576 }
calls:
  count: { process: [seq, '${lines}'] }
  brief: { process: ['true'] }
`);
  });
  after(() => gateway.stop());

  const connect = () => wsClient(`${gateway.url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);

  it('is told as far as it is there, then the gap, and then its result', async () => {
    const first = await connect();
    first.control({ call: 'count', run: 'old' });
    await first.rest();
    const late = await connect();
    late.control({ attach: 'old', after: 0 });
    await late.line().catch(() => late.line());
    late.ws.pause();
    const second = await connect();
    second.control({ call: 'brief' });
    await second.rest();
    await until('it is forgotten', async () => (await fetch(`${gateway.url}/api/v1/http/runs/old`)).status === 404, 20_000);
    late.ws.resume();
    const { texts, json, code } = await late.rest();
    const gaps = json.flatMap((message) => ('gap' in message ? [message['gap'] as { from: number; to: number; reason: string }] : []));
    expect(gaps).to.have.length(1);
    expect(gaps[0]).to.include({ to: lines, reason: 'retention' });
    expect(texts.at(-1)).to.equal(String(gaps[0]!.from - 1));
    expect(json.at(-1)).to.include({ success: true, status: 'succeeded', next: lines + 1 });
    expect(code).to.equal(1000);
    await settled(gateway);
  });
});
