// Tests the REST API of pow-1: every route, its errors, and how long an id is valid.

import { expect } from 'chai';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const yaml = `
limits: { inputBytesMax: 2048, inputFileBytesMax: 2048, messageBytesMax: 8192, graceMs: 300ms, powLinesMax: 1000 }
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

describe('the REST API of pow-1', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  afterEach(() => expectIdle(gateway));
  after(() => gateway.stop());

  const request = (path: string, init: RequestInit = {}, at = gateway): Promise<Response> =>
    fetch(`${at.url}/api/v1/pow/${path}`, { ...init, headers: { connection: 'close', ...init.headers } });
  const post = (path: string, body?: string, at = gateway): Promise<Response> =>
    request(path, { method: 'POST', ...(body !== undefined && { body }) }, at);
  const startCall = async (call: string, at = gateway): Promise<string> =>
    (await post('new', JSON.stringify({ call }), at)).json() as Promise<string>;
  const getStatus = async (id: string, at = gateway): Promise<Status> =>
    (await request(`status/${id}`, {}, at)).json() as Promise<Status>;
  const readJson = async (answer: Promise<Response>): Promise<unknown[]> => {
    const response = await answer;
    return [response.status, response.headers.get('content-type'), await response.text()];
  };
  const plain = 'text/plain; charset=utf-8';

  for (const body of [
    '',
    '{',
    '[]',
    '7',
    '{"call":7}',
    '{"call":"cat","params":[1]}',
    '{"call":"cat"} x',
    '{"signal":"cancel"}',
    '\ufeff{"call":"cat"}',
  ]) {
    it(`the REST API rejects ${JSON.stringify(body)} as a call message`, async () => {
      expect(await readJson(post('new', body))).to.deep.equal([400, plain, 'failed to decode call message']);
    });
  }

  it('the REST API ignores the content type of a request', async () => {
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'x/y']) {
      const response = await request('new', {
        method: 'POST',
        body: '{"call":"none"}',
        headers: { 'content-type': type },
      });
      expect((await getStatus((await response.json()) as string)).result).to.deep.equal({
        status: 'rejected',
        reason: 'failed to get process: unknown process',
      });
    }
  });

  it('the REST API returns 404 for an id that it did not issue', async () => {
    for (const route of ['input/x', 'closeInput/x', 'cancel/x'])
      expect(await readJson(post(route, 'in'))).to.deep.equal([404, plain, 'process not found']);
    expect(await readJson(request('status/x'))).to.deep.equal([404, plain, 'process not found']);
  });

  it('the REST API accepts input, and rejects input over the limit or after the end', async () => {
    const id = await startCall('slow');
    expect(await readJson(post(`input/${id}`, 'first\n'))).to.deep.equal([200, plain, 'input sent']);
    await waitUntil('the process has stopped reading', async () => (await getStatus(id)).buffer === 'first');
    // A pipe holds some input. The gateway queues the rest up to the limit.
    let last: Response | undefined;
    await waitUntil(
      'the queue is full',
      async () => (last = await post(`input/${id}`, 'x'.repeat(4096))).status !== 200,
    );
    expect([last!.status, await last!.text()]).to.deep.equal([503, 'input buffer full']);
    expect((await getStatus(id)).result.status).to.equal('pending');
    expect(await readJson(post(`closeInput/${id}`))).to.deep.equal([200, plain, 'input closed']);
    expect(await readJson(post(`closeInput/${id}`))).to.deep.equal([200, plain, 'input closed']);
    expect(await readJson(post(`input/${id}`, 'late'))).to.deep.equal([500, plain, 'error copying data to process']);
    expect(await readJson(post(`cancel/${id}`))).to.deep.equal([200, plain, 'process cancelled']);
    expect(await readJson(post(`cancel/${id}`))).to.deep.equal([200, plain, 'process cancelled']);
    expect((await post(`input/${id}`, 'x'.repeat(8193))).status).to.equal(413);
  });

  it('the buffer of a run has its last thousand lines', async () => {
    const id = await startCall('count');
    await waitUntil('the run ends', async () => (await getStatus(id)).result.status === 'fulfilled');
    expect((await getStatus(id)).buffer).to.equal(Array.from({ length: 1000 }, (_, i) => String(i + 501)).join('\n'));
    expect(await (await request(`status/${id}`, { method: 'HEAD' })).text()).to.equal('');
  });

  it('the status of a run omits an empty buffer', async () => {
    const id = await startCall('cat');
    expect(await getStatus(id)).to.deep.equal({ result: { status: 'pending' } });
    await post(`closeInput/${id}`);
    await waitUntil('the run ends', async () => (await getStatus(id)).result.status !== 'pending');
    expect(await getStatus(id)).to.deep.equal({ result: { status: 'fulfilled', value: null } });
  });

  it('a run without requests is cancelled, and its id becomes unknown after more time without requests', async () => {
    const idle = await startTestGateway(
      `limits: { powIdleMs: 400ms, graceMs: 200ms }\n${yaml.slice(yaml.indexOf('calls:'))}`,
    );
    try {
      const id = await startCall('sleep', idle);
      const record = async () => (await idle.getJson(`/api/v1/http/runs/${id}`)) as { state: string; message?: string };
      await waitUntil('the run has ended', async () => (await record()).state === 'ended');
      expect((await getStatus(id, idle)).result).to.deep.equal({
        status: 'rejected',
        reason: 'process returned error: cancelled: timeout expired',
      });
      // Each attempt waits longer than the lifetime of the id, because a request extends the lifetime.
      await waitUntil('the id is unknown', () => isForgotten(id, idle), 20_000);
    } finally {
      await idle.stop();
    }
  });

  /** Waits longer than the lifetime of the id. Returns true if the id is then unknown. */
  async function isForgotten(id: string, at: TestGateway): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, 900));
    return (await request(`status/${id}`, {}, at)).status === 404;
  }

  it('the REST API describes itself for programs and for people', async () => {
    const openapi = (await (await request('openapi.json')).json()) as {
      openapi: string;
      servers: { url: string }[];
      paths: Readonly<Record<string, object>>;
    };
    expect(openapi.openapi).to.match(/^3\./);
    expect(openapi.servers[0]!.url).to.contain('/api/v1/pow');
    expect(Object.keys(openapi.paths)).to.include.members([
      '/new',
      '/status/{id}',
      '/input/{id}',
      '/closeInput/{id}',
      '/cancel/{id}',
    ]);
    const page = await request('docs/');
    expect([page.status, page.headers.get('content-type')]).to.deep.equal([200, 'text/html; charset=utf-8']);
    expect(await page.text()).to.contain('closeInput');
  });

  it('the REST API lists the allowed methods of a route', async () => {
    for (const [path, method, allow] of [
      ['new', 'GET', 'POST, OPTIONS'],
      ['cancel/x', 'DELETE', 'POST, OPTIONS'],
      ['status/x', 'POST', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const response = await request(path, { method });
      expect([response.status, response.headers.get('allow')], path).to.deep.equal([405, allow]);
    }
  });
});
