// What each route answers.

import { expect } from 'chai';
import type { System } from '../../server/config/config.ts';
import { newsItem, parseNewsName } from '../../server/http/news/item.ts';
import type { HttpParts } from '../../server/http/parts.ts';
import { fakeConfig, fakeParts, fakeRun, serve } from './serve.ts';
import type { Asking, Served } from './serve.ts';

async function once(path: string, parts: Partial<HttpParts> = {}, asking?: Asking): Promise<Served> {
  const serving = await serve(fakeParts(parts));
  try {
    return await serving.ask(path, asking);
  } finally {
    await serving.close();
  }
}

const caller = (user: string, scopes: readonly string[], token = false): Partial<HttpParts> => ({
  access: { ...fakeParts().access, identify: () => ({ caller: { user, token, scopes } }) },
});

describe('http: auth', () => {
  it('tells an anonymous caller that they are nobody, in both spellings', async () => {
    expect((await once('/api/v1/http/auth')).body).to.equal('{"user":"","token":false}');
    expect((await once('/api/v1/auth')).body).to.equal('{"User":"","Token":false}');
  });

  it('tells a caller their name, and nothing of their scopes', async () => {
    expect((await once('/api/v1/http/auth', caller('ada', ['x'], true))).body).to.equal('{"user":"ada","token":true}');
  });
});

describe('http: systems', () => {
  const one: System = {
    slug: 'one', url: 'https://one.example', tagline: 'The first', entityCount: 5, bundleCount: 2, lastEdit: '2026-01-02T03:04:05Z', running: true, listed: true,
  };
  const unknown: System = { ...one, slug: 'two', tagline: '', lastEdit: null };
  const all = [one, unknown, { ...one, slug: 'stopped', running: false }, { ...one, slug: 'shy', listed: false }];
  const list = (shown: { public: boolean; private: boolean }): Partial<HttpParts> => ({
    config: () => fakeConfig({}, { systems: all, home: { list: shown } }),
  });
  const open = list({ public: true, private: true });

  it('shows running systems that did not opt out to an anonymous caller, with their taglines', async () => {
    const { running: _1, listed: _2, ...first } = one;
    const { running: _3, listed: _4, ...second } = unknown;
    const served = await once('/api/v1/http/systems', open);
    expect(served.status).to.equal(200);
    expect(served.json()).to.deep.equal([first, second]);
  });

  for (const path of ['/api/v1/systems', '/api/v1/instances/directory']) it(`spells ${path} the older way, with the zero time for an unknown one`, async () => {
    expect((await once(path, open)).body).to.equal(JSON.stringify([
      { Slug: 'one', URL: 'https://one.example', Tagline: 'The first', EntityCount: 5, BundleCount: 2, LastEdit: '2026-01-02T03:04:05Z' },
      { Slug: 'two', URL: 'https://one.example', Tagline: '', EntityCount: 5, BundleCount: 2, LastEdit: '0001-01-01T00:00:00Z' },
    ]));
  });

  const visibility: readonly (readonly [string, Partial<HttpParts>, boolean, boolean])[] = [
    ['an anonymous caller', {}, true, false],
    ['somebody logged in', caller('ada', []), false, true],
    ['a token with the scope', caller('ada', ['instances.directory'], true), false, true],
    ['a token without the scope', caller('ada', [], true), true, false],
  ];
  for (const [who, parts, whenPublic, whenPrivate] of visibility) it(`shows ${who} the list that is theirs`, async () => {
    const publicly = await once('/api/v1/http/systems', { ...list({ public: true, private: false }), ...parts });
    const privately = await once('/api/v1/http/systems', { ...list({ public: false, private: true }), ...parts });
    expect(publicly.json()).to.have.length(whenPublic ? 2 : 0);
    expect(privately.json()).to.have.length(whenPrivate ? 2 : 0);
  });

  it('answers an empty list, never null', async () => {
    for (const path of ['/api/v1/http/systems', '/api/v1/systems']) expect((await once(path)).body).to.equal('[]');
  });
});

describe('http: news', () => {
  const name = parseNewsName('2022-09-08-go.md');
  const items = name === undefined ? [] : [newsItem(name, '# Go\n\nWe *go*.')];

  it('tells items in both spellings', async () => {
    const parts = { news: async () => items };
    expect((await once('/api/v1/http/news', parts)).body)
      .to.equal('[{"id":"2022-09-08-go","date":"2022-09-08T00:00:00Z","title":"Go","content":"<p>We <em>go</em>.</p>"}]');
    expect((await once('/api/v1/news', parts)).body)
      .to.equal('[{"ID":"2022-09-08-go","Date":"2022-09-08T00:00:00Z","Title":"Go","Content":"<p>We <em>go</em>.</p>"}]');
  });
});

describe('http: calls', () => {
  it('lists calls with their params, and why one is not available', async () => {
    const listed = (await once('/api/v1/http/calls')).json() as readonly object[];
    expect(listed).to.have.length(2);
    expect(listed[0]).to.deep.include({ name: 'greet', available: true, params: [{ name: 'who', schema: { type: 'string' }, default: 'world', required: false }] });
    expect(listed[1]).to.include({ name: 'census', available: false, reason: 'no Docker engine answers' });
  });

  it('tells one call by its name', async () => {
    expect((await once('/api/v1/http/calls/census')).json()).to.include({ name: 'census', kind: 'container' });
  });

  it('suggests the nearest name for one that is not there', async () => {
    expect((await once('/api/v1/http/calls/gret')).json())
      .to.deep.equal({ status: 404, code: 'not_found', message: 'no such call "gret"; did you mean "greet"?' });
  });

  it('says where the names are when none is near', async () => {
    for (const parts of [{}, { calls: async () => [] }]) {
      expect((await once('/api/v1/http/calls/backup', parts)).json()).to.have.property('message', 'no such call "backup"; /api/v1/http/calls lists them');
    }
  });
});

describe('http: runs', () => {
  it('tells a page of records and where the next begins', async () => {
    const pages: object[] = [];
    const runs = { ...fakeParts().runs, list: (page: object) => (pages.push(page), { runs: [fakeRun], next: 'r1' }) };
    expect((await once('/api/v1/http/runs?limit=1', { runs })).json()).to.deep.equal({ runs: [fakeRun], next: 'r1' });
    await once('/api/v1/http/runs?limit=500&before=r1', { runs });
    await once('/api/v1/http/runs', { runs });
    await once('/api/v1/http/runs?state=running', { runs });
    expect(pages).to.deep.equal([{ limit: 1 }, { limit: 500, before: 'r1' }, { limit: 100 }, { limit: 100, state: 'running' }]);
    expect((await once('/api/v1/http/runs?state=gone', { runs })).json()).to.deep.equal({
      status: 400, code: 'bad_request', message: 'state must be one of queued, running, cancelling, ended, not "gone"',
    });
  });

  it('asks for no more than the configured bound when nothing is said', async () => {
    const limits = { ...fakeConfig().limits, pageRunsMax: 7, pageLinesMax: 2 };
    const asked: object[] = [];
    const runs = {
      ...fakeParts().runs,
      list: (page: object) => (asked.push(page), { runs: [] }),
      lines: async (_id: string, page: object) => (asked.push(page), { lines: [], next: 0, ended: false }),
    };
    const parts = { runs, config: () => fakeConfig({}, { limits }) };
    await once('/api/v1/http/runs', parts);
    await once('/api/v1/http/runs/r1/lines', parts);
    expect(asked).to.deep.equal([{ limit: 7 }, { after: 0, limit: 2, bytesMax: 8 << 20 }]);
    expect((await once('/api/v1/http/runs?limit=8', parts)).json()).to.have.property('message', 'limit must be a whole number from 1 to 7, not "8"');
  });

  it('tells one record by its id', async () => {
    expect((await once('/api/v1/http/runs/r1')).json()).to.deep.equal(fakeRun);
  });

  for (const path of ['/api/v1/http/runs/r2', '/api/v1/http/runs/r2/lines']) it(`says at ${path} that there is no such run`, async () => {
    expect((await once(path)).json())
      .to.deep.equal({ status: 404, code: 'not_found', message: 'no such run "r2"; /api/v1/http/runs lists those that are kept' });
  });
});

describe('http: lines', () => {
  it('tells lines from a cursor', async () => {
    expect((await once('/api/v1/http/runs/r1/lines')).body).to.equal('{"run":"r1","after":0,"next":3,"lines":["one","two","three"],"ended":true}');
    const page = await once('/api/v1/http/runs/r1/lines?after=1&limit=1');
    expect(page.body).to.equal('{"run":"r1","after":1,"next":2,"lines":["two"],"ended":false}');
    expect(page.headers).to.include({ link: '</api/v1/http/runs/r1/lines?after=2&limit=1>; rel="next"', vary: 'Accept' });
  });

  it('gives text to those who would rather have it, and the cursor in a header', async () => {
    const text = await once('/api/v1/http/runs/r1/lines?limit=2', {}, { headers: { Accept: 'text/plain' } });
    expect(text).to.include({ status: 200, body: 'one\ntwo\n' });
    expect(text.headers).to.include({ 'content-type': 'text/plain; charset=utf-8', vary: 'Accept', link: '</api/v1/http/runs/r1/lines?after=2&limit=2>; rel="next"' });
    const last = await once('/api/v1/http/runs/r1/lines?after=2', {}, { headers: { Accept: 'text/plain;q=0.9, application/json;q=0.1' } });
    expect(last).to.include({ body: 'three\n' });
    expect(last.headers).not.to.have.property('link');
  });

  for (const accept of ['*/*', 'application/json', 'text/html,*/*;q=0.8', 'image/png', '']) it(`gives JSON for "Accept: ${accept}"`, async () => {
    const served = await once('/api/v1/http/runs/r1/lines', {}, { headers: { Accept: accept } });
    expect(served.headers['content-type']).to.equal('application/json; charset=utf-8');
  });

  it('says what retention has taken away', async () => {
    const gap = { from: 1, to: 500, reason: 'retention' };
    const runs = { ...fakeParts().runs, lines: async () => ({ lines: ['x'], next: 501, ended: true, gap }) };
    expect((await once('/api/v1/http/runs/r1/lines', { runs })).json()).to.deep.include({ gap, next: 501 });
    expect((await once('/api/v1/http/runs/r1/lines', { runs }, { headers: { Accept: 'text/plain' } })).headers).to.include({ 'x-gap': '1-500; reason=retention' });
  });

  it('tells what the work printed as it is: quotes, control characters, emptiness', async () => {
    const lines = ['', '"quoted"', '\u0000\u001b[31m', 'ü🙂\u2028', '</script>'];
    const runs = { ...fakeParts().runs, lines: async () => ({ lines, next: 5, ended: true }) };
    expect((await once('/api/v1/http/runs/r1/lines', { runs })).json()).to.deep.include({ lines });
    expect((await once('/api/v1/http/runs/r1/lines', { runs }, { headers: { Accept: 'text/plain' } })).body).to.equal(lines.map((line) => `${line}\n`).join(''));
  });
});

describe('http: status and health', () => {
  it('tells how the gateway is', async () => {
    expect((await once('/api/v1/http/status')).json()).to.deep.equal(await fakeParts().status());
  });

  it('is alive, and ready while it takes work', async () => {
    expect((await once('/healthz')).body).to.equal('{"healthy":true}');
    expect((await once('/readyz')).body).to.equal('{"ready":true}');
    const stopping = await once('/readyz', { ready: () => ({ ready: false, reason: 'the gateway is stopping' }) });
    expect(stopping).to.include({ status: 503, body: '{"status":503,"code":"not_ready","message":"not ready: the gateway is stopping"}' });
    expect(stopping.headers).to.include({ 'retry-after': '1' });
  });

  it('answers probes that know only an address, and that send credentials of their own', async () => {
    const headers = { Host: '10.0.0.7:8080', Authorization: 'Bearer x' };
    for (const path of ['/healthz', '/readyz/']) expect(await once(path, {}, { headers })).to.include({ status: 200 });
    expect(await once('/', {}, { headers })).to.include({ status: 404 });
  });
});

describe('http: the index and the address itself', () => {
  it('lists every route of the API with its summary', async () => {
    const { routes } = (await once('/api/v1/http')).json() as { routes: readonly object[] };
    expect(routes).to.deep.include({ path: '/api/v1/http/auth', summary: 'who you are' });
    expect(routes).to.deep.include({ path: '/api/v1/auth', summary: 'who you are, in the spelling of older clients', aliasOf: '/api/v1/http/auth' });
    expect(routes).to.have.length.above(12);
  });

  it('tells a visitor where the API is, or how to switch it on', async () => {
    const on = await once('/');
    expect(on.body).to.contain('Distillery Gateway').and.contain('/api/v1/http/');
    expect(on.headers['content-type']).to.equal('text/plain; charset=utf-8');
    expect((await once('/', { config: () => fakeConfig({ api: false }) })).body).to.contain('http: { api: true }');
  });

  it('sends whoever comes to the websocket by plain HTTP to a websocket client', async () => {
    const served = await once('/api/v1/ws');
    expect(served.json()).to.include({ status: 426, code: 'upgrade_required' });
    expect(served.headers).to.include({ upgrade: 'websocket', connection: 'Upgrade' });
  });
});

describe('http: configuration that changes', () => {
  it('is obeyed by the next request', async () => {
    let api = false;
    const serving = await serve(fakeParts({ config: () => fakeConfig({ api }) }));
    expect((await serving.ask('/api/v1/http/auth')).status).to.equal(501);
    api = true;
    expect((await serving.ask('/api/v1/http/auth')).status).to.equal(200);
    await serving.close();
  });
});
