// The REST twin of pow-1: every route, its errors, and how long an id lives.

import { expect } from 'chai';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { until } from '../helpers/until.ts';

const yaml = `
limits: { inputBytesMax: 4096, messageBytesMax: 8192, graceMs: 300ms, powLinesMax: 1000 }
calls:
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  slow: { process: [sh, -c, 'read -r first; echo "$first"; sleep 60; cat'] }
  cat: { process: [cat] }
  count: { process: [seq, '1500'] }
`;

interface Status {
  readonly buffer?: string;
  readonly result: { readonly status: string; readonly reason?: string };
}

describe('the REST twin of pow-1', function () {
  this.timeout(30_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(yaml); });
  afterEach(() => settled(gateway));
  after(() => gateway.stop());

  const ask = (path: string, init: RequestInit = {}, at = gateway): Promise<Response> => fetch(`${at.url}/api/v1/pow/${path}`, { ...init, headers: { connection: 'close', ...init.headers } });
  const post = (path: string, body?: string, at = gateway): Promise<Response> => ask(path, { method: 'POST', ...(body !== undefined && { body }) }, at);
  const started = async (call: string, at = gateway): Promise<string> => (await post('new', JSON.stringify({ call }), at)).json() as Promise<string>;
  const status = async (id: string, at = gateway): Promise<Status> => (await ask(`status/${id}`, {}, at)).json() as Promise<Status>;
  const told = async (answer: Promise<Response>): Promise<unknown[]> => {
    const response = await answer;
    return [response.status, response.headers.get('content-type'), await response.text()];
  };
  const plain = 'text/plain; charset=utf-8';

  for (const body of ['', '{', '[]', '7', '{"call":7}', '{"call":"cat","params":[1]}', '{"call":"cat"} x', '{"signal":"cancel"}', '\ufeff{"call":"cat"}']) {
    it(`takes ${JSON.stringify(body)} for no call message`, async () => {
      expect(await told(post('new', body))).to.deep.equal([400, plain, 'failed to decode call message']);
    });
  }

  it('does not look at the type of what is sent', async () => {
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'x/y']) {
      const response = await ask('new', { method: 'POST', body: '{"call":"none"}', headers: { 'content-type': type } });
      expect((await status((await response.json()) as string)).result).to.deep.equal({ status: 'rejected', reason: 'failed to get process: unknown process' });
    }
  });

  it('knows no id that it has not given', async () => {
    for (const route of ['input/x', 'closeInput/x', 'cancel/x']) expect(await told(post(route, 'in'))).to.deep.equal([404, plain, 'process not found']);
    expect(await told(ask('status/x'))).to.deep.equal([404, plain, 'process not found']);
  });

  it('has answers of its own for input: sent, after the end, too much', async () => {
    const id = await started('slow');
    expect(await told(post(`input/${id}`, 'first\n'))).to.deep.equal([200, plain, 'input sent']);
    await until('it reads no more', async () => (await status(id)).buffer === 'first');
    // A pipe holds some; what it does not hold is queued, up to the bound.
    let last: Response | undefined;
    await until('the queue is full', async () => (last = await post(`input/${id}`, 'x'.repeat(4096))).status !== 200);
    expect([last!.status, await last!.text()]).to.deep.equal([503, 'input buffer full']);
    expect((await status(id)).result.status).to.equal('pending');
    expect(await told(post(`closeInput/${id}`))).to.deep.equal([200, plain, 'input closed']);
    expect(await told(post(`closeInput/${id}`))).to.deep.equal([200, plain, 'input closed']);
    expect(await told(post(`input/${id}`, 'late'))).to.deep.equal([500, plain, 'error copying data to process']);
    expect(await told(post(`cancel/${id}`))).to.deep.equal([200, plain, 'process cancelled']);
    expect(await told(post(`cancel/${id}`))).to.deep.equal([200, plain, 'process cancelled']);
    expect((await post(`input/${id}`, 'x'.repeat(8193))).status).to.equal(413);
  });

  it('has the last thousand lines', async () => {
    const id = await started('count');
    await until('it is over', async () => (await status(id)).result.status === 'fulfilled');
    expect((await status(id)).buffer).to.equal(Array.from({ length: 1000 }, (_, i) => String(i + 501)).join('\n'));
    expect(await (await ask(`status/${id}`, { method: 'HEAD' })).text()).to.equal('');
  });

  it('leaves out the buffer when there is nothing in it', async () => {
    const id = await started('cat');
    expect(await status(id)).to.deep.equal({ result: { status: 'pending' } });
    await post(`closeInput/${id}`);
    await until('it is over', async () => (await status(id)).result.status !== 'pending');
    expect(await status(id)).to.deep.equal({ result: { status: 'fulfilled', value: null } });
  });

  it('ends a call that nobody asks for any more, and forgets its result later', async () => {
    const idle = await startTestGateway(`limits: { powIdleMs: 400ms, graceMs: 200ms }\n${yaml.slice(yaml.indexOf('calls:'))}`);
    try {
      const id = await started('sleep', idle);
      const record = async () => (await idle.getJson(`/api/v1/http/runs/${id}`)) as { state: string; message?: string };
      await until('it is ended', async () => (await record()).state === 'ended');
      expect((await status(id, idle)).result).to.deep.equal({ status: 'rejected', reason: 'process returned error: cancelled: timeout expired' });
      // Asking keeps it; so it is asked for less and less often, until it is gone.
      await until('it is forgotten', () => gone(id, idle), 20_000);
    } finally {
      await idle.stop();
    }
  });

  /** True when it is not known any more after a silence that is longer than an id lives: the silence is what is tested. */
  async function gone(id: string, at: TestGateway): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, 900));
    return (await ask(`status/${id}`, {}, at)).status === 404;
  }

  it('describes itself, for programs and for people', async () => {
    const openapi = (await (await ask('openapi.json')).json()) as { openapi: string; servers: { url: string }[]; paths: Readonly<Record<string, object>> };
    expect(openapi.openapi).to.match(/^3\./);
    expect(openapi.servers[0]!.url).to.contain('/api/v1/pow');
    expect(Object.keys(openapi.paths)).to.include.members(['/new', '/status/{id}', '/input/{id}', '/closeInput/{id}', '/cancel/{id}']);
    const page = await ask('docs/');
    expect([page.status, page.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8']);
    expect(await page.text()).to.contain('closeInput');
  });

  it('says which methods a route has', async () => {
    for (const [path, method, allow] of [['new', 'GET', 'POST, OPTIONS'], ['cancel/x', 'DELETE', 'POST, OPTIONS'], ['status/x', 'POST', 'GET, HEAD, OPTIONS']] as const) {
      const response = await ask(path, { method });
      expect([response.status, response.headers.get('allow')], path).to.deep.equal([405, allow]);
    }
  });
});
