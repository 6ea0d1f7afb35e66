// What holds for every route of the table.

import { expect } from 'chai';
import { routes } from '../../server/http/routes/table.ts';
import { fakeConfig, fakeParts, serve } from './serve.ts';
import type { Serving } from './serve.ts';

const allow = 'GET, HEAD, OPTIONS';

for (const route of routes) describe(`http: ${route.path}`, () => {
  const path = route.path.replace('{name}', 'greet').replace('{id}', 'r1').replace('{path…}', 'build/app.js');
  const slashed = path.endsWith('/') ? path : `${path}/`;
  const usual = route.path === '/api/v1/ws' ? 426 : 200;
  const isStream = route.path.endsWith('/events');
  let on: Serving;
  let off: Serving;

  before(async () => {
    on = await serve();
    off = await serve(fakeParts({ config: () => fakeConfig({ api: false }) }));
  });
  after(() => Promise.all([on.close(), off.close()]));

  it('answers GET the same with and without a slash at the end', async () => {
    const plain = await on.ask(path);
    const other = await on.ask(slashed);
    expect(plain.status).to.equal(usual);
    expect(other).to.include({ status: usual, body: plain.body });
    expect(plain.headers).to.include({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' });
    expect(Object.keys(plain.headers).filter((name) => name.startsWith('access-control'))).to.deep.equal([]);
  });

  it('answers HEAD like GET, without a body', async () => {
    const get = await on.ask(path);
    const head = await on.ask(path, { method: 'HEAD' });
    expect(head).to.include({ status: usual, body: '' });
    const { date: _1, 'transfer-encoding': _3, ...said } = get.headers;
    const { date: _2, ...alsoSaid } = head.headers;
    expect(alsoSaid).to.deep.equal(said);
    if (!isStream) expect(said['content-length']).to.equal(String(Buffer.byteLength(get.body)));
  });

  it('answers OPTIONS with the methods and nothing else', async () => {
    const served = await on.ask(path, { method: 'OPTIONS' });
    expect(served).to.include({ status: 204, body: '' });
    expect(served.headers).to.include({ allow }).and.not.have.property('etag');
  });

  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'M-SEARCH', 'LINK']) it(`refuses ${method} and says what it allows`, async () => {
    const served = await on.ask(path, { method });
    expect(served).to.include({ status: 405, body: '{"status":405,"code":"method_not_allowed","message":"method not allowed"}' });
    expect(served.headers).to.include({ allow });
  });

  it('knows no deeper path and no other spelling of its own', async () => {
    const others = path === '/' ? ['/x', '/index.html'] : [`${slashed}more/and/more`, `${slashed}/`, `/${path}`, path.toUpperCase()];
    for (const other of others) {
      const served = await on.ask(other);
      // What is below the artifacts is a path of one, which is told.
      const message = other.startsWith(`/api/v1/http/runs/r1/artifacts/`) ? (served.json() as { message: string }).message : 'not found';
      expect(served).to.include({ status: 404, body: JSON.stringify({ status: 404, code: 'not_found', message }) });
    }
  });

  if (usual === 200 && !isStream) it('answers 304 to whoever has it already', async () => {
    const { etag = '', vary } = (await on.ask(path)).headers;
    expect(etag).to.match(/^"[\w-]{43}"$/);
    for (const given of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const served = await on.ask(path, { headers: { 'If-None-Match': given } });
      expect(served, given).to.include({ status: 304, body: '' });
      expect(served.headers).to.include({ etag, 'cache-control': 'no-cache' });
      expect(served.headers.vary).to.equal(vary);
    }
    expect(await on.ask(path, { headers: { 'If-None-Match': '"x"' } })).to.include({ status: 200 });
    expect(await on.ask(path, { method: 'HEAD', headers: { 'If-None-Match': etag } })).to.include({ status: 304 });
  });

  if (path.startsWith('/api/')) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'DELETE']) it(`answers ${method} with 501 while the API is off`, async () => {
      const body = method === 'HEAD' ? '' : '{"status":501,"code":"not_implemented","message":"API is not implemented on this server"}';
      for (const one of [path, slashed, `${path}?x=y`]) expect(await off.ask(one, { method })).to.include({ status: 501, body });
    });

    it('refuses credentials that cannot be valid', async () => {
      const served = await on.ask(path, { headers: { Authorization: 'Bearer x' } });
      expect(served).to.include({ status: 401, body: '{"status":401,"code":"invalid_credentials","message":"invalid credentials"}' });
      expect(served.headers).to.include({ 'www-authenticate': 'Bearer' });
    });
  } else {
    it('answers whether the API is on or off', async () => {
      expect(await off.ask(path)).to.include({ status: 200 });
    });
  }
});

describe('http: the table of routes', () => {
  it('has every path once, and aliases of paths that are there', () => {
    const paths = routes.map((route) => route.path);
    expect(new Set(paths).size).to.equal(paths.length);
    for (const { aliasOf } of routes) if (aliasOf !== undefined) expect(paths).to.include(aliasOf);
  });

  it('asks for no scope at an alias that the canonical path does not ask for', () => {
    for (const { aliasOf, scope } of routes) if (aliasOf !== undefined) expect(routes.find((route) => route.path === aliasOf)?.scope).to.equal(scope);
  });
});
