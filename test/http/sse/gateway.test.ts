// Tests the event streams of real runs with a real gateway.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../../helpers/gateway/test-gateway.ts';
import { openStream, type Reader } from '../../helpers/http/sse-reader.ts';
import { connectWsClient } from '../../helpers/websocket/ws-client.ts';

const yaml = `
calls:
  greet: { process: [bash, -c, 'echo one; read x; echo "$x" >&2; exit 3'] }
  screen: { terminal: [bash, -c, 'printf "one\\ntwo"; read x'] }
  wait: { process: [sleep, "60"], stop: { grace: 0s } }
`;

describe('the event streams of a gateway', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  const open = (id: string, of = gateway): Promise<Reader> =>
    openStream(Number(new URL(of.url).port), `/api/v1/http/runs/${id}/events`);
  const start = async (call: string, run: string, of = gateway) => {
    const client = await connectWsClient(of.wsUrl, ['distillery.v2']);
    client.sendControl({ call, run });
    await client.next();
    return client;
  };
  const summarize = ({ messages }: Reader): readonly string[] =>
    messages.filter(({ event }) => event !== 'run').map(({ event, data, id }) => `${id} ${event} ${data}`);

  it('an event stream sends the same messages during a run and after its end', async () => {
    const client = await start('greet', 'r1');
    const live = await open('r1');
    await live.has('the first line', (messages) => messages.some(({ event }) => event === 'line'));
    client.sendText('two');
    await client.readToEnd();
    await live.end();
    const over = await open('r1');
    await over.end();
    expect(summarize(over)).to.deep.equal(summarize(live));
    const lines = live.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string);
    expect(lines).to.deep.equal(['one', 'two']);
    expect(JSON.parse(live.messages.at(-1)!.data)).to.deep.include({
      success: false,
      status: 'failed',
      message: 'exited with code 3',
      exitCode: 3,
      next: 3,
    });
  });

  it('an event stream sends a terminal line by line, including its unfinished last line', async () => {
    const client = await start('screen', 'r2');
    const live = await open('r2');
    await live.has('the first line', (messages) => messages.some(({ event }) => event === 'line'));
    client.sendText('\r');
    await client.readToEnd();
    await live.end();
    const lines = live.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string);
    expect(lines).to.deep.equal(['one', 'two']);
  });

  it('an open event stream does not keep a run alive after the client of the run disconnected', async () => {
    const client = await start('wait', 'r3');
    const live = await open('r3');
    await live.has('it is announced', (messages) => messages.length > 0);
    client.ws.terminate();
    await live.end();
    expect(JSON.parse(live.messages.at(-1)!.data)).to.include({
      status: 'cancelled',
      message: 'cancelled: client disconnected',
    });
  });

  it('an event stream reports how the shutdown ended a run, and ends', async () => {
    const other = await startTestGateway(`${yaml}shutdown: { grace: 0s }\n`);
    try {
      const client = await start('wait', 'r4', other);
      const live = await open('r4', other);
      await live.has('it is announced', (messages) => messages.length > 0);
      await other.gateway.stop();
      await live.end();
      expect(JSON.parse(live.messages.at(-1)!.data)).to.include({ status: 'cancelled' });
      client.ws.terminate();
    } finally {
      await other.stop();
    }
  });
});
