// Tests what the log of the operator says about runs of every kind.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const module = `
import { defineCall } from 'distillery-gateway/calls';
export default defineCall({ name: 'code', params: [{ name: 'word' }], run() { throw new Error('hidden-message'); } });
`;

const yaml = `
modules: [calls.ts]
pipelines: { hostJobs: true }
calls:
  process: { process: [echo, "\${word}"], params: [{ name: word }] }
  failing: { process: [sh, -c, "exit 3"] }
  input: { process: [cat] }
  terminal: { terminal: [echo, "\${word}"], params: [{ name: word }] }
  container: { container: { image: busybox } }
  pipeline: { pipeline: p.yaml, params: [{ name: word }] }
  slow: { process: [sleep, "60"], stop: { grace: 0s } }
docker: { host: "unix:///none.sock" }
`;
const pipeline = 'workflow: [a]\na: { host: true, script: "echo hidden-output" }\n';

interface LogEntry {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

describe('the log of a gateway', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway(yaml, { 'calls.ts': module, 'p.yaml': pipeline });
  });
  afterEach(() => gateway.stop());

  /** Returns the lines about runs: level, message and JSON. */
  function entries(call: string): readonly LogEntry[] {
    return gateway
      .logText()
      .split('\n')
      .flatMap((line) => {
        const [, message = '', json = '{}'] = /^info (run \w+) (\{.*\})$/.exec(line) ?? [];
        return message === '' ? [] : [{ message, fields: JSON.parse(json) as LogEntry['fields'] }];
      })
      .filter(({ fields }) => fields['call'] === call);
  }

  async function start(call: string, params: readonly string[] = []) {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call, params });
    return client;
  }

  const ended = (call: string): Promise<void> =>
    waitUntil(`the end of ${call} is logged`, () => entries(call).some(({ message }) => message === 'run ended'));

  for (const [call, outcome] of [
    ['process', 'succeeded'],
    ['terminal', 'succeeded'],
    ['pipeline', 'succeeded'],
    ['code', 'failed'],
  ] as const)
    it(`S9: a run of the call ${call} has one line at its start and one at its end`, async () => {
      await (await start(call, ['hidden-param'])).readToEnd();
      await ended(call);
      const [first, last, ...others] = entries(call);
      expect(others).to.deep.equal([]);
      expect(first?.message).to.equal('run started');
      expect(first?.fields).to.have.all.keys('run', 'call', 'caller');
      expect(last?.fields).to.include({ run: first?.fields['run'], call, caller: '', outcome });
      expect(last?.fields['ms']).to.be.a('number');
      expect(gateway.logText()).not.to.contain('hidden-param').and.not.to.contain('hidden-output');
    });

  it('S9: the last log line of a failed run has its outcome, and for a process also the exit code', async () => {
    for (const call of ['failing', 'container']) {
      await (await start(call)).readToEnd();
      await ended(call);
    }
    expect(entries('failing').at(-1)?.fields).to.include({ outcome: 'failed', exitCode: 3 });
    expect(entries('container').map(({ message }) => message)).to.deep.equal(['run started', 'run ended']);
    expect(entries('container').at(-1)?.fields).to.include({ outcome: 'failed' });
  });

  it('S9: the log shows the end of a run that the REST API of pow-1 starts, but not the input', async () => {
    const send = (path: string, body: string): Promise<Response> =>
      fetch(`${gateway.url}/api/v1/pow/${path}`, { method: 'POST', body });
    const id = (await (await send('new', '{"call":"input","params":[]}')).json()) as string;
    await send(`input/${id}`, 'hidden-input');
    await send(`closeInput/${id}`, '');
    await ended('input');
    expect(entries('input').at(-1)?.fields).to.include({ outcome: 'succeeded' });
    expect(gateway.logText()).not.to.contain('hidden-input');
  });

  it('S9: the last log line of a cancelled run has the outcome "cancelled"', async () => {
    const client = await start('slow');
    await waitUntil('the run has started', () => entries('slow').length === 1);
    client.sendControl({ signal: 'cancel' });
    await client.readToEnd();
    await ended('slow');
    expect(entries('slow').at(-1)?.fields).to.include({ outcome: 'cancelled' });
  });
});
