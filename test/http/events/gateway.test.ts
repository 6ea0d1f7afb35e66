// Event streams of real runs, behind a real gateway.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../../helpers/gateway.ts';
import { wsClient } from '../../helpers/ws-client.ts';
import { openStream, type Reader } from './reader.ts';

const yaml = `
calls:
  greet: { process: [bash, -c, 'echo one; read x; echo "$x" >&2; exit 3'] }
  screen: { terminal: [bash, -c, 'printf "one\\ntwo"; read x'] }
  wait: { process: [sleep, "60"], stop: { grace: 0s } }
`;

describe('event streams of a gateway', () => {
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());

  const open = (id: string, of = gateway): Promise<Reader> => openStream(Number(new URL(of.url).port), `/api/v1/http/runs/${id}/events`);
  const start = async (call: string, run: string, of = gateway) => {
    const client = await wsClient(of.wsUrl, ['distillery.v2']);
    client.control({ call, run });
    await client.next();
    return client;
  };
  const told = ({ messages }: Reader): readonly string[] => messages.filter(({ event }) => event !== 'run').map(({ event, data, id }) => `${id} ${event} ${data}`);

  it('tell the same of a run while it goes on and when it is over', async () => {
    const client = await start('greet', 'r1');
    const live = await open('r1');
    await live.has('the first line', (messages) => messages.some(({ event }) => event === 'line'));
    client.text('two');
    await client.rest();
    await live.end();
    const over = await open('r1');
    await over.end();
    expect(told(over)).to.deep.equal(told(live));
    const lines = live.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string);
    expect(lines).to.deep.equal(['one', 'two']);
    expect(JSON.parse(live.messages.at(-1)!.data)).to.deep.include({ success: false, status: 'failed', message: 'exited with code 3', exitCode: 3, next: 3 });
  });

  it('tell a terminal by lines, and what its last line is', async () => {
    const client = await start('screen', 'r2');
    const live = await open('r2');
    await live.has('the first line', (messages) => messages.some(({ event }) => event === 'line'));
    client.text('\r');
    await client.rest();
    await live.end();
    const lines = live.messages.filter(({ event }) => event === 'line').map(({ data }) => JSON.parse(data) as string);
    expect(lines).to.deep.equal(['one', 'two']);
  });

  it('do not keep a run alive whose client is lost', async () => {
    const client = await start('wait', 'r3');
    const live = await open('r3');
    await live.has('it is announced', (messages) => messages.length > 0);
    client.ws.terminate();
    await live.end();
    expect(JSON.parse(live.messages.at(-1)!.data)).to.include({ status: 'cancelled', message: 'cancelled: client disconnected' });
  });

  it('tell how a run ended that the stopping gateway ended, and end', async () => {
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
