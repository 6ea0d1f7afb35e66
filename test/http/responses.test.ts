// Tests the response of each route.

import { expect } from 'chai';
import type { System } from '../../server/config/config.ts';
import type { HttpDeps } from '../../server/http/deps.ts';
import { newsItem, parseNewsName } from '../../server/http/news/news-item.ts';
import type { HttpResult, RequestOptions } from '../helpers/http/test-server.ts';
import { fakeConfig, fakeDeps, fakeRun, serve } from '../helpers/http/test-server.ts';

async function serveOnce(path: string, deps: Partial<HttpDeps> = {}, options?: RequestOptions): Promise<HttpResult> {
  const serving = await serve(fakeDeps(deps));
  try {
    return await serving.request(path, options);
  } finally {
    await serving.close();
  }
}

const caller = (user: string, scopes: readonly string[], token = false): Partial<HttpDeps> => ({
  access: { ...fakeDeps().access, identify: () => ({ caller: { user, token, scopes } }) },
});

describe('the auth routes', () => {
  it('an anonymous caller gets an empty user name, on both paths', async () => {
    expect((await serveOnce('/api/v1/http/auth')).body).to.equal('{"user":"","token":false}');
    expect((await serveOnce('/api/v1/auth')).body).to.equal('{"User":"","Token":false}');
  });

  it('a logged-in caller gets the user name, but not the scopes', async () => {
    expect((await serveOnce('/api/v1/http/auth', caller('ada', ['x'], true))).body).to.equal(
      '{"user":"ada","token":true}',
    );
  });
});

describe('the routes of systems', () => {
  const one: System = {
    slug: 'one',
    url: 'https://one.example',
    tagline: 'The first',
    entityCount: 5,
    bundleCount: 2,
    lastEdit: '2026-01-02T03:04:05Z',
    running: true,
    listed: true,
  };
  const unknown: System = { ...one, slug: 'two', tagline: '', lastEdit: null };
  const all = [one, unknown, { ...one, slug: 'stopped', running: false }, { ...one, slug: 'shy', listed: false }];
  const list = (shown: { public: boolean; private: boolean }): Partial<HttpDeps> => ({
    config: () => fakeConfig({}, { systems: all, home: { list: shown } }),
  });
  const open = list({ public: true, private: true });

  it('an anonymous caller gets the running systems that have not opted out, with their taglines', async () => {
    const { running: _1, listed: _2, ...first } = one;
    const { running: _3, listed: _4, ...second } = unknown;
    const response = await serveOnce('/api/v1/http/systems', open);
    expect(response.status).to.equal(200);
    expect(response.json()).to.deep.equal([first, second]);
  });

  for (const path of ['/api/v1/systems', '/api/v1/instances/directory'])
    it(`${path} uses PascalCase keys and the zero time for an unknown time`, async () => {
      expect((await serveOnce(path, open)).body).to.equal(
        JSON.stringify([
          {
            Slug: 'one',
            URL: 'https://one.example',
            Tagline: 'The first',
            EntityCount: 5,
            BundleCount: 2,
            LastEdit: '2026-01-02T03:04:05Z',
          },
          {
            Slug: 'two',
            URL: 'https://one.example',
            Tagline: '',
            EntityCount: 5,
            BundleCount: 2,
            LastEdit: '0001-01-01T00:00:00Z',
          },
        ]),
      );
    });

  const visibility: readonly (readonly [string, Partial<HttpDeps>, boolean, boolean])[] = [
    ['an anonymous caller', {}, true, false],
    ['a logged-in caller', caller('ada', []), false, true],
    ['a token with the scope', caller('ada', ['instances.directory'], true), false, true],
    ['a token without the scope', caller('ada', [], true), true, false],
  ];
  for (const [who, deps, whenPublic, whenPrivate] of visibility)
    it(`${who} gets the systems only if the ${whenPublic ? 'public' : 'private'} list is on`, async () => {
      const publicly = await serveOnce('/api/v1/http/systems', { ...list({ public: true, private: false }), ...deps });
      const privately = await serveOnce('/api/v1/http/systems', { ...list({ public: false, private: true }), ...deps });
      expect(publicly.json()).to.have.length(whenPublic ? 2 : 0);
      expect(privately.json()).to.have.length(whenPrivate ? 2 : 0);
    });

  it('an empty list of systems is [], never null', async () => {
    for (const path of ['/api/v1/http/systems', '/api/v1/systems']) expect((await serveOnce(path)).body).to.equal('[]');
  });
});

describe('the news routes', () => {
  const name = parseNewsName('2022-09-08-go.md');
  const items = name === undefined ? [] : [newsItem(name, { text: '# Go\n\nWe *go*.' })];

  it('news items are returned on both paths', async () => {
    const deps = { news: async () => items };
    expect((await serveOnce('/api/v1/http/news', deps)).body).to.equal(
      '[{"id":"2022-09-08-go","date":"2022-09-08T00:00:00Z","title":"Go","content":"<p>We <em>go</em>.</p>"}]',
    );
    expect((await serveOnce('/api/v1/news', deps)).body).to.equal(
      '[{"ID":"2022-09-08-go","Date":"2022-09-08T00:00:00Z","Title":"Go","Content":"<p>We <em>go</em>.</p>"}]',
    );
  });
});

describe('the routes of calls', () => {
  it('calls are listed with their params and the reason if they are unavailable', async () => {
    const listed = (await serveOnce('/api/v1/http/calls')).json() as readonly object[];
    expect(listed).to.have.length(2);
    expect(listed[0]).to.deep.include({
      name: 'greet',
      available: true,
      params: [{ name: 'who', schema: { type: 'string' }, default: 'world', required: false }],
    });
    expect(listed[1]).to.include({ name: 'census', available: false, reason: 'no Docker engine answers' });
  });

  it('a call is returned by its name', async () => {
    expect((await serveOnce('/api/v1/http/calls/census')).json()).to.include({ name: 'census', kind: 'container' });
  });

  it('an unknown call name gets the nearest name as a suggestion', async () => {
    expect((await serveOnce('/api/v1/http/calls/gret')).json()).to.deep.equal({
      status: 404,
      code: 'not_found',
      message: 'no such call "gret"; did you mean "greet"?',
    });
  });

  it('an unknown call name that resembles no call gets the path of the list', async () => {
    for (const deps of [{}, { calls: async () => [] }]) {
      expect((await serveOnce('/api/v1/http/calls/backup', deps)).json()).to.have.property(
        'message',
        'no such call "backup"; /api/v1/http/calls lists them',
      );
    }
  });
});

describe('the routes of runs', () => {
  it('a page of runs contains the cursor of the next page', async () => {
    const pages: object[] = [];
    const runs = {
      ...fakeDeps().runs,
      list: (page: object) => {
        pages.push(page);
        return { runs: [fakeRun], next: 'r1' };
      },
    };
    expect((await serveOnce('/api/v1/http/runs?limit=1', { runs })).json()).to.deep.equal({
      runs: [fakeRun],
      next: 'r1',
    });
    await serveOnce('/api/v1/http/runs?limit=500&before=r1', { runs });
    await serveOnce('/api/v1/http/runs', { runs });
    await serveOnce('/api/v1/http/runs?state=running', { runs });
    expect(pages).to.deep.equal([
      { limit: 1 },
      { limit: 500, before: 'r1' },
      { limit: 100 },
      { limit: 100, state: 'running' },
    ]);
    expect((await serveOnce('/api/v1/http/runs?state=gone', { runs })).json()).to.deep.equal({
      status: 400,
      code: 'bad_request',
      message: 'state must be one of queued, running, cancelling, ended, not "gone"',
    });
  });

  it('the default page size is at most the configured limit', async () => {
    const limits = { ...fakeConfig().limits, pageRunsMax: 7, pageLinesMax: 2 };
    const pages: object[] = [];
    const runs = {
      ...fakeDeps().runs,
      list: (page: object) => {
        pages.push(page);
        return { runs: [] };
      },
      lines: async (_id: string, page: object) => {
        pages.push(page);
        return { lines: [], next: 0, ended: false };
      },
    };
    const deps = { runs, config: () => fakeConfig({}, { limits }) };
    await serveOnce('/api/v1/http/runs', deps);
    await serveOnce('/api/v1/http/runs/r1/lines', deps);
    expect(pages).to.deep.equal([{ limit: 7 }, { after: 0, limit: 2, bytesMax: 8 << 20, services: false }]);
    expect((await serveOnce('/api/v1/http/runs?limit=8', deps)).json()).to.have.property(
      'message',
      'limit must be a whole number from 1 to 7, not "8"',
    );
  });

  it('a run is returned by its id', async () => {
    expect((await serveOnce('/api/v1/http/runs/r1')).json()).to.deep.equal(fakeRun);
  });

  for (const path of ['/api/v1/http/runs/r2', '/api/v1/http/runs/r2/lines'])
    it(`${path} reports that there is no such run`, async () => {
      expect((await serveOnce(path)).json()).to.deep.equal({
        status: 404,
        code: 'not_found',
        message: 'no such run "r2"; /api/v1/http/runs lists the retained runs',
      });
    });
});

describe('the route of lines', () => {
  it('lines are returned from a cursor', async () => {
    expect((await serveOnce('/api/v1/http/runs/r1/lines')).body).to.equal(
      '{"run":"r1","after":0,"next":3,"lines":["one","two","three"],"ended":true}',
    );
    const page = await serveOnce('/api/v1/http/runs/r1/lines?after=1&limit=1');
    expect(page.body).to.equal('{"run":"r1","after":1,"next":2,"lines":["two"],"ended":false}');
    expect(page.headers).to.include({
      link: '</api/v1/http/runs/r1/lines?after=2&limit=1>; rel="next"',
      vary: 'Accept',
    });
  });

  it('a client that prefers text gets text, with the next page in a header', async () => {
    const text = await serveOnce('/api/v1/http/runs/r1/lines?limit=2', {}, { headers: { Accept: 'text/plain' } });
    expect(text).to.include({ status: 200, body: 'one\ntwo\n' });
    expect(text.headers).to.include({
      'content-type': 'text/plain; charset=utf-8',
      vary: 'Accept',
      link: '</api/v1/http/runs/r1/lines?after=2&limit=2>; rel="next"',
    });
    const last = await serveOnce(
      '/api/v1/http/runs/r1/lines?after=2',
      {},
      { headers: { Accept: 'text/plain;q=0.9, application/json;q=0.1' } },
    );
    expect(last).to.include({ body: 'three\n' });
    expect(last.headers).not.to.have.property('link');
  });

  for (const accept of ['*/*', 'application/json', 'text/html,*/*;q=0.8', 'image/png', ''])
    it(`a request with "Accept: ${accept}" gets JSON`, async () => {
      const response = await serveOnce('/api/v1/http/runs/r1/lines', {}, { headers: { Accept: accept } });
      expect(response.headers['content-type']).to.equal('application/json; charset=utf-8');
    });

  it('lines that retention removed are reported as a gap', async () => {
    const gap = { from: 1, to: 500, reason: 'retention' };
    const runs = { ...fakeDeps().runs, lines: async () => ({ lines: ['x'], next: 501, ended: true, gap }) };
    expect((await serveOnce('/api/v1/http/runs/r1/lines', { runs })).json()).to.deep.include({ gap, next: 501 });
    expect(
      (await serveOnce('/api/v1/http/runs/r1/lines', { runs }, { headers: { Accept: 'text/plain' } })).headers,
    ).to.include({ 'x-gap': '1-500; reason=retention' });
  });

  it('lines are returned unchanged: quotes, control characters and empty lines', async () => {
    const lines = ['', '"quoted"', '\u0000\u001b[31m', 'ü🙂\u2028', '</script>'];
    const runs = { ...fakeDeps().runs, lines: async () => ({ lines, next: 5, ended: true }) };
    expect((await serveOnce('/api/v1/http/runs/r1/lines', { runs })).json()).to.deep.include({ lines });
    expect(
      (await serveOnce('/api/v1/http/runs/r1/lines', { runs }, { headers: { Accept: 'text/plain' } })).body,
    ).to.equal(lines.map((line) => `${line}\n`).join(''));
  });
});

describe('the routes of status and health', () => {
  it('the status route returns the status of the gateway', async () => {
    expect((await serveOnce('/api/v1/http/status')).json()).to.deep.equal(await fakeDeps().status());
  });

  it('the gateway is healthy, and ready while it accepts work', async () => {
    expect((await serveOnce('/healthz')).body).to.equal('{"healthy":true}');
    expect((await serveOnce('/readyz')).body).to.equal('{"ready":true}');
    const stopping = await serveOnce('/readyz', { ready: () => ({ ready: false, reason: 'the gateway is stopping' }) });
    expect(stopping).to.include({
      status: 503,
      body: '{"status":503,"code":"not_ready","message":"not ready: the gateway is stopping"}',
    });
    expect(stopping.headers).to.include({ 'retry-after': '1' });
  });

  it('the health routes accept any Host and any credentials', async () => {
    const headers = { Host: '10.0.0.7:8080', Authorization: 'Bearer x' };
    for (const path of ['/healthz', '/readyz/'])
      expect(await serveOnce(path, {}, { headers })).to.include({ status: 200 });
    expect(await serveOnce('/', {}, { headers })).to.include({ status: 404 });
  });
});

describe('the index and the root path', () => {
  it('the index lists every route of the API with its summary', async () => {
    const { routes } = (await serveOnce('/api/v1/http')).json() as { routes: readonly object[] };
    expect(routes).to.deep.include({ path: '/api/v1/http/auth', summary: 'the current caller' });
    expect(routes).to.deep.include({
      path: '/api/v1/auth',
      summary: 'the current caller, with PascalCase keys for older clients',
      aliasOf: '/api/v1/http/auth',
    });
    expect(routes).to.have.length.above(12);
  });

  it('the root path says where the API is, or how to switch it on', async () => {
    const on = await serveOnce('/');
    expect(on.body).to.contain('Distillery Gateway').and.contain('/api/v1/http/');
    expect(on.headers['content-type']).to.equal('text/plain; charset=utf-8');
    expect((await serveOnce('/', { config: () => fakeConfig({ api: false }) })).body).to.contain('http: { api: true }');
  });

  it('a plain HTTP request to the websocket path gets the advice to use a websocket client', async () => {
    const response = await serveOnce('/api/v1/ws');
    expect(response.json()).to.include({ status: 426, code: 'upgrade_required' });
    expect(response.headers).to.include({ upgrade: 'websocket', connection: 'Upgrade' });
  });
});

describe('a changed configuration', () => {
  it('the next request uses the changed configuration', async () => {
    let api = false;
    const serving = await serve(fakeDeps({ config: () => fakeConfig({ api }) }));
    expect((await serving.request('/api/v1/http/auth')).status).to.equal(501);
    api = true;
    expect((await serving.request('/api/v1/http/auth')).status).to.equal(200);
    await serving.close();
  });
});
