// Tests what all routes of the JSON API have in common.

import { expect } from 'chai';
import { errors } from '../../protocol/errors.ts';
import { routes } from '../../server/http/routes/routes.ts';
import type { TestServer } from '../helpers/http/test-server.ts';
import { fakeConfig, fakeDeps, serve } from '../helpers/http/test-server.ts';

const allow = 'GET, HEAD, OPTIONS';

for (const route of routes)
  describe(`the route ${route.path}`, () => {
    const bare = route.path.replace('{name}', 'greet').replace('{id}', 'r1').replace('{path…}', 'build/app.js');
    const query = bare.endsWith('/resolve') ? '?uri=urn:x:1' : '';
    const path = bare + query;
    const slashed = (bare.endsWith('/') ? bare : `${bare}/`) + query;
    const usual = route.path === '/api/v1/ws' ? 426 : 200;
    const isStream = route.path.endsWith('/events');
    let on: TestServer;
    let off: TestServer;

    before(async () => {
      on = await serve();
      off = await serve(fakeDeps({ config: () => fakeConfig({ api: false }) }));
    });
    after(() => Promise.all([on.close(), off.close()]));

    it('the route returns the same to GET with and without a trailing slash', async () => {
      const plain = await on.request(path);
      const other = await on.request(slashed);
      expect(plain.status).to.equal(usual);
      expect(other).to.include({ status: usual, body: plain.body });
      expect(plain.headers).to.include({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' });
      expect(Object.keys(plain.headers).filter((name) => name.startsWith('access-control'))).to.deep.equal([]);
    });

    it('the route returns to HEAD what it returns to GET, without the body', async () => {
      const get = await on.request(path);
      const head = await on.request(path, { method: 'HEAD' });
      expect(head).to.include({ status: usual, body: '' });
      const { date: _1, 'transfer-encoding': _3, ...getHeaders } = get.headers;
      const { date: _2, ...headHeaders } = head.headers;
      expect(headHeaders).to.deep.equal(getHeaders);
      if (!isStream) expect(getHeaders['content-length']).to.equal(String(Buffer.byteLength(get.body)));
    });

    it('the route returns 204 and the allowed methods to OPTIONS', async () => {
      const response = await on.request(path, { method: 'OPTIONS' });
      expect(response).to.include({ status: 204, body: '' });
      expect(response.headers).to.include({ allow }).and.not.have.property('etag');
    });

    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'M-SEARCH', 'LINK'])
      it(`the route rejects ${method} and lists the allowed methods`, async () => {
        const response = await on.request(path, { method });
        expect(response).to.include({
          status: 405,
          body: '{"status":405,"code":"method_not_allowed","message":"method not allowed"}',
        });
        expect(response.headers).to.include({ allow });
      });

    it('the route does not match longer paths or other spellings of its path', async () => {
      const others =
        path === '/' ? ['/x', '/index.html'] : [`${bare}/more/and/more`, `${bare}//`, `/${path}`, path.toUpperCase()];
      for (const other of others) {
        const response = await on.request(other);
        // A path below the artifacts names an artifact, so the message contains that name.
        const message = other.startsWith(`/api/v1/http/runs/r1/artifacts/`)
          ? (response.json() as { message: string }).message
          : 'not found';
        expect(response).to.include({ status: 404, body: JSON.stringify({ status: 404, code: 'not_found', message }) });
      }
    });

    if (usual === 200 && !isStream)
      it('the route returns 304 if the client has the current version', async () => {
        const { etag = '', vary } = (await on.request(path)).headers;
        expect(etag).to.match(/^"[\w-]{43}"$/);
        for (const given of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
          const response = await on.request(path, { headers: { 'If-None-Match': given } });
          expect(response, given).to.include({ status: 304, body: '' });
          expect(response.headers).to.include({ etag, 'cache-control': 'no-cache' });
          expect(response.headers.vary).to.equal(vary);
        }
        expect(await on.request(path, { headers: { 'If-None-Match': '"x"' } })).to.include({ status: 200 });
        expect(await on.request(path, { method: 'HEAD', headers: { 'If-None-Match': etag } })).to.include({
          status: 304,
        });
      });

    if (path.startsWith('/api/')) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'DELETE'])
        it(`the route returns 501 to ${method} while the API is off`, async () => {
          const body =
            method === 'HEAD'
              ? ''
              : `{"status":501,"code":"not_implemented","message":"${errors.not_implemented.message}"}`;
          for (const one of [path, slashed, `${bare}?x=y`])
            expect(await off.request(one, { method })).to.include({ status: 501, body });
        });

      it('the route rejects invalid credentials', async () => {
        const response = await on.request(path, { headers: { Authorization: 'Bearer x' } });
        expect(response).to.include({
          status: 401,
          body: '{"status":401,"code":"invalid_credentials","message":"invalid credentials"}',
        });
        expect(response.headers).to.include({ 'www-authenticate': 'Bearer' });
      });
    } else {
      it('the route also returns 200 while the API is off', async () => {
        expect(await off.request(path)).to.include({ status: 200 });
      });
    }
  });

describe('the table of routes', () => {
  it('the table lists each path once, and each alias belongs to a path of the table', () => {
    const paths = routes.map((route) => route.path);
    expect(new Set(paths).size).to.equal(paths.length);
    for (const { aliasOf } of routes) if (aliasOf !== undefined) expect(paths).to.include(aliasOf);
  });

  it('an alias requires the same scope as its canonical path', () => {
    for (const { aliasOf, scope } of routes)
      if (aliasOf !== undefined) expect(routes.find((route) => route.path === aliasOf)?.scope).to.equal(scope);
  });
});
