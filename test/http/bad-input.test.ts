import { expect } from 'chai';
import type { HttpParts } from '../../server/http/parts.ts';
import { fakeParts, serve } from './serve.ts';
import type { Serving } from './serve.ts';

describe('http: bad input', () => {
  let serving: Serving;
  const asked: string[] = [];

  const runs: HttpParts['runs'] = {
    ...fakeParts().runs,
    get: (id) => (asked.push(id), fakeParts().runs.get(id)),
    lines: (id, page) => (asked.push(id), fakeParts().runs.lines(id, page)),
  };

  before(async () => {
    serving = await serve(fakeParts({ runs }));
  });
  after(() => serving.close());
  beforeEach(() => void (asked.length = 0));

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
    ['runs/r1/lines?after=-1', 'after must be a whole number from 0, not "-1"'],
    ['runs/r1/lines?after=1.5', 'after must be a whole number from 0, not "1.5"'],
    ['runs/r1/lines?after=9007199254740992', 'after must be a whole number from 0, not "9007199254740992"'],
    ['runs/r1/lines?limit=10001', 'limit must be a whole number from 1 to 10000, not "10001"'],
    [`runs?limit=${'9'.repeat(5000)}`, `limit must be a whole number from 1 to 500, not "${'9'.repeat(100)}…"`],
  ];
  for (const [query, message] of badValues) it(`says what is wrong with ${query.slice(0, 50)}`, async () => {
    expect((await serving.ask(`/api/v1/http/${query}`)).json()).to.deep.equal({ status: 400, code: 'bad_request', message });
  });

  it('takes no notice of a query it does not know, or cannot decode', async () => {
    for (const query of ['?x=1', '?__proto__=1&constructor=2', '?%zz=%', '?&&==', '?a[b]=1']) {
      expect(await serving.ask(`/api/v1/http/runs${query}`), query).to.include({ status: 200 });
    }
  });

  const strangeIds = [
    '..%2f..%2fetc%2fpasswd', '%2e%2e', '..', '.', '%2e', '.hidden', 'r1%00', 'r1%2f..%2fr1', '..%5c..%5cx', 'r1%0a', '%20r1', 'r1;x', '%f0%9f%99%82', 'x'.repeat(129), '-%2f',
  ];
  for (const id of strangeIds) it(`never looks for a run called ${id.slice(0, 30)}`, async () => {
    for (const rest of ['', '/lines']) {
      const served = await serving.ask(`/api/v1/http/runs/${id}${rest}`);
      expect(served.status).to.equal(404);
      expect(served.json()).to.have.property('message').that.has.length.below(250);
    }
    expect(asked).to.deep.equal([]);
  });

  for (const path of ['/api/v1/http/../../../etc/passwd', '/api/v1/http/runs/../../auth', '/../etc/passwd', '/api/v1/http/%2e%2e/auth', '/api%2fv1/http/auth', '/%61pi/v1/auth', '/api\\v1\\auth']) {
    it(`finds nothing at ${path}`, async () => {
      expect(await serving.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).to.match(/^HTTP\/1\.1 404 /);
    });
  }

  for (const escape of ['%', '%z', '%zz', '%ff', '%c0%ae', 'r1%']) it(`says that ${escape} is malformed`, async () => {
    for (const path of [`/api/v1/http/runs/${escape}`, `/api/v1/http/calls/${escape}`]) {
      expect((await serving.ask(path)).json()).to.include({ status: 400, code: 'bad_request' });
    }
  });

  it('says that an address without a path is malformed', async () => {
    for (const target of ['http://[', 'http://[::1', 'http://a b']) {
      expect(await serving.raw(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`), target).to.match(/^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
    }
  });

  it('shows only the beginning of a long name', async () => {
    for (const path of [`/api/v1/http/calls/${'x'.repeat(10_000)}`, `/api/v1/http/runs/${'x'.repeat(10_000)}`]) {
      const served = await serving.ask(path);
      expect(served.status).to.equal(404);
      expect(served.body).to.have.length.below(300);
    }
  });

  it('refuses an over-long address and too many headers in the shape of every other error', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `x-${i}: 1\r\n`).join('');
    const heads = [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, `GET / HTTP/1.1\r\nHost: localhost\r\n${many}\r\n`];
    for (const head of heads) expect(await serving.raw(head)).to.match(/^HTTP\/1\.1 431 [^]*\{"status":431,"code":"headers_too_large",/);
  });

  it('is not troubled by many small headers', async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, '1']));
    expect(await serving.ask('/api/v1/http/auth', { headers: many })).to.include({ status: 200 });
  });

  const broken = ['FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'not http at all\r\n\r\n', '\u0016\u0003\u0001', 'GET / HTTP/9.9\r\n\r\n', 'get / HTTP/1.1\r\nHost: localhost\r\n\r\n'];
  for (const text of broken) it(`tells ${JSON.stringify(text.slice(0, 20))} that it is a bad request, and closes`, async () => {
    expect(await serving.raw(text)).to.match(/^HTTP\/1\.1 400 [^]*\{"status":400,"code":"bad_request","message":"bad request"\}$/);
  });

  it('refuses a request without a Host', async () => {
    expect(await serving.raw('GET /api/v1/http/auth HTTP/1.1\r\nConnection: close\r\n\r\n')).to.match(/^HTTP\/1\.1 400 /);
    expect(await serving.raw('GET /api/v1/http/auth HTTP/1.0\r\n\r\n')).to.match(/^HTTP\/1\.1 404 /);
  });

  it('answers the first of two contradicting hosts only if it is its own', async () => {
    expect(await serving.raw('GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n')).not.to.match(/^HTTP\/1\.1 200/);
  });

  it('refuses a method with a body without waiting for the body', async () => {
    const text = await serving.raw('POST /api/v1/http/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nx');
    expect(text).to.match(/^HTTP\/1\.1 405 /);
  });

  it('has nothing for CONNECT and for the server as a whole', async () => {
    expect(await serving.raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).not.to.match(/ 200 /);
    expect(await serving.raw('OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).to.match(/^HTTP\/1\.1 404 /);
  });
});
