// Tests malformed and hostile HTTP requests.

import { expect } from 'chai';
import type { HttpDeps } from '../../server/http/deps.ts';
import { routes } from '../../server/http/routes/routes.ts';
import type { TestServer } from '../helpers/http/test-server.ts';
import { fakeDeps, serve } from '../helpers/http/test-server.ts';

describe('invalid HTTP input', () => {
  let serving: TestServer;
  const requestedIds: string[] = [];

  const runs: HttpDeps['runs'] = {
    ...fakeDeps().runs,
    get: (id) => {
      requestedIds.push(id);
      return fakeDeps().runs.get(id);
    },
    lines: (id, page) => {
      requestedIds.push(id);
      return fakeDeps().runs.lines(id, page);
    },
  };

  before(async () => {
    serving = await serve(fakeDeps({ runs }));
  });
  after(() => serving.close());
  beforeEach(() => void (requestedIds.length = 0));

  const badValues: readonly (readonly [query: string, message: string])[] = [
    ['runs?limit=abc', 'limit must be a whole number from 1 to 500, not "abc"'],
    ['runs?limit=0', 'limit must be a whole number from 1 to 500, not "0"'],
    ['runs?limit=501', 'limit must be a whole number from 1 to 500, not "501"'],
    ['runs?limit=-1', 'limit must be a whole number from 1 to 500, not "-1"'],
    ['runs?limit=', 'limit must be a whole number from 1 to 500, not ""'],
    ['runs?limit=1e2', 'limit must be a whole number from 1 to 500, not "1e2"'],
    ['runs?limit=0x10', 'limit must be a whole number from 1 to 500, not "0x10"'],
    ['runs?limit=%201', 'limit must be a whole number from 1 to 500, not " 1"'],
    ['runs?limit=%D9%A1', 'limit must be a whole number from 1 to 500, not "١"'],
    ['runs?limit=1&limit=2', 'limit may be given once, not 2 times'],
    ['runs?before=../../etc', 'before must be the "next" of a page, not "../../etc"'],
    ['runs?before=', 'before must be the "next" of a page, not ""'],
    [
      'runs?outcome=odd',
      'outcome must be one of succeeded, failed, cancelled, timed-out, rejected, unknown, not "odd"',
    ],
    ['runs?since=2026-01-01', 'since must be a time such as 2026-11-22T10:30:00Z, not "2026-01-01"'],
    [
      'runs?until=2026-13-01T00:00:00Z',
      'until must be a time such as 2026-11-22T10:30:00Z, not "2026-13-01T00:00:00Z"',
    ],
    ['runs/r1/lines?after=-1', 'after must be a whole number from 0, not "-1"'],
    ['runs/r1/lines?after=1.5', 'after must be a whole number from 0, not "1.5"'],
    ['runs/r1/lines?after=9007199254740992', 'after must be a whole number from 0, not "9007199254740992"'],
    ['runs/r1/lines?limit=10001', 'limit must be a whole number from 1 to 10000, not "10001"'],
    [`runs?limit=${'9'.repeat(5000)}`, `limit must be a whole number from 1 to 500, not "${'9'.repeat(100)}…"`],
  ];
  for (const [query, message] of badValues)
    it(`the query ${query.slice(0, 50)} is rejected with a reason`, async () => {
      expect((await serving.request(`/api/v1/http/${query}`)).json()).to.deep.equal({
        status: 400,
        code: 'bad_request',
        message,
      });
    });

  it('S11: unknown query parameters are rejected on every path', async () => {
    for (const query of ['?x=1', '?__proto__=1&constructor=2', '?%zz=%', '?&&==', '?a[b]=1', '?Outcome=failed'])
      expect(await serving.request(`/api/v1/http/runs${query}`), query).to.include({ status: 400 });
    for (const { path } of routes) {
      const address = path.replace('{name}', 'greet').replace('{id}', 'r1').replace('{path…}', 'a/b');
      const { status, body } = await serving.request(`${address}?limits=1`);
      expect({ status, body }, path).to.deep.include({ status: 400 });
      expect(body, path).to.contain('no query parameter \\"limits\\"');
    }
  });

  const strangeIds = [
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '..',
    '.',
    '%2e',
    '.hidden',
    'r1%00',
    'r1%2f..%2fr1',
    '..%5c..%5cx',
    'r1%0a',
    '%20r1',
    'r1;x',
    '%f0%9f%99%82',
    'x'.repeat(129),
    '-%2f',
  ];
  for (const id of strangeIds)
    it(`a request for the run ${id.slice(0, 30)} gets 404 without a lookup of the run`, async () => {
      for (const rest of ['', '/lines']) {
        const response = await serving.request(`/api/v1/http/runs/${id}${rest}`);
        expect(response.status).to.equal(404);
        expect(response.json()).to.have.property('message').that.has.length.below(250);
      }
      expect(requestedIds).to.deep.equal([]);
    });

  for (const path of [
    '/api/v1/http/../../../etc/passwd',
    '/api/v1/http/runs/../../auth',
    '/../etc/passwd',
    '/api/v1/http/%2e%2e/auth',
    '/api%2fv1/http/auth',
    '/%61pi/v1/auth',
    '/api\\v1\\auth',
  ]) {
    it(`the path ${path} is not found`, async () => {
      expect(await serving.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).to.match(
        /^HTTP\/1\.1 404 /,
      );
    });
  }

  for (const encoded of ['%', '%z', '%zz', '%ff', '%c0%ae', 'r1%'])
    it(`the path segment ${encoded} is rejected as malformed`, async () => {
      for (const path of [`/api/v1/http/runs/${encoded}`, `/api/v1/http/calls/${encoded}`]) {
        expect((await serving.request(path)).json()).to.include({ status: 400, code: 'bad_request' });
      }
    });

  it('an absolute request target that is not a valid URL is rejected as malformed', async () => {
    for (const target of ['http://[', 'http://[::1', 'http://a b']) {
      expect(
        await serving.raw(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
        target,
      ).to.match(/^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
    }
  });

  it('an error message contains only the start of a long name', async () => {
    for (const path of [`/api/v1/http/calls/${'x'.repeat(10_000)}`, `/api/v1/http/runs/${'x'.repeat(10_000)}`]) {
      const response = await serving.request(path);
      expect(response.status).to.equal(404);
      expect(response.body).to.have.length.below(300);
    }
  });

  it('a path that is too long and too many headers get an error in the usual format', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `x-${i}: 1\r\n`).join('');
    const heads = [
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: localhost\r\n${many}\r\n`,
    ];
    for (const head of heads)
      expect(await serving.raw(head)).to.match(/^HTTP\/1\.1 431 [^]*\{"status":431,"code":"headers_too_large",/);
  });

  it('a request with many small headers is accepted', async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, '1']));
    expect(await serving.request('/api/v1/http/auth', { headers: many })).to.include({ status: 200 });
  });

  const broken = [
    'FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'not http at all\r\n\r\n',
    '\u0016\u0003\u0001',
    'GET / HTTP/9.9\r\n\r\n',
    'get / HTTP/1.1\r\nHost: localhost\r\n\r\n',
  ];
  for (const text of broken)
    it(`the bytes ${JSON.stringify(text.slice(0, 20))} get 400 and close the connection`, async () => {
      expect(await serving.raw(text)).to.match(
        /^HTTP\/1\.1 400 [^]*\{"status":400,"code":"bad_request","message":"bad request"\}$/,
      );
    });

  it('a request without a Host header is rejected', async () => {
    expect(await serving.raw('GET /api/v1/http/auth HTTP/1.1\r\nConnection: close\r\n\r\n')).to.match(
      /^HTTP\/1\.1 400 /,
    );
    expect(await serving.raw('GET /api/v1/http/auth HTTP/1.0\r\n\r\n')).to.match(/^HTTP\/1\.1 404 /);
  });

  it('a request with two different Host headers is rejected', async () => {
    expect(
      await serving.raw('GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    ).to.match(/^HTTP\/1\.1 400 /);
  });

  it('a POST is rejected before its body arrives', async () => {
    const text = await serving.raw(
      'POST /api/v1/http/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nx',
    );
    expect(text).to.match(/^HTTP\/1\.1 405 /);
  });

  it('CONNECT and OPTIONS * are rejected', async () => {
    expect(await serving.raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).not.to.match(
      / 200 /,
    );
    expect(await serving.raw('OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).to.match(
      /^HTTP\/1\.1 404 /,
    );
  });
});
