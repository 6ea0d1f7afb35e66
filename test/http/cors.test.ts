// Tests the CORS headers for pages of other origins.

import { expect } from 'chai';
import type { TestServer } from '../helpers/http/test-server.ts';
import { fakeConfig, fakeDeps, serve } from '../helpers/http/test-server.ts';

const listed = 'https://app.example.org';

describe('HTTP requests from pages of other origins', () => {
  let open: TestServer;
  let closed: TestServer;

  before(async () => {
    open = await serve(fakeDeps({ config: () => fakeConfig({ origins: [listed] }) }));
    closed = await serve();
  });
  after(() => Promise.all([open.close(), closed.close()]));

  it('a page of a listed origin can read responses and errors', async () => {
    for (const path of ['/api/v1/http/auth', '/api/v1/http/nowhere']) {
      const { headers } = await open.request(path, { headers: { Origin: listed } });
      expect(headers).to.include({ 'access-control-allow-origin': listed, vary: 'Origin' });
    }
  });

  it('a preflight returns the methods and headers that a page may send', async () => {
    const response = await open.request('/api/v1/http/auth', {
      method: 'OPTIONS',
      headers: { Origin: listed, 'Access-Control-Request-Method': 'GET' },
    });
    expect(response.status).to.equal(204);
    expect(response.headers).to.include({
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': 'Authorization, Last-Event-ID',
    });
  });

  for (const origin of ['null', 'https://evil.example', `${listed}.evil.example`, undefined])
    it(`the response to a page of origin ${origin} allows no origin, and Vary is Origin`, async () => {
      const { headers, status } = await open.request('/api/v1/http/auth', {
        headers: origin === undefined ? {} : { Origin: origin },
      });
      expect(status).to.equal(200);
      expect(headers).to.include({ vary: 'Origin' }).and.not.have.property('access-control-allow-origin');
    });

  it('responses have no CORS headers if no origin is listed', async () => {
    const { headers } = await closed.request('/api/v1/http/auth', { headers: { Origin: listed } });
    expect(headers).not.to.have.any.keys('vary', 'access-control-allow-origin');
  });

  it('responses that depend on Accept and Origin list both in Vary', async () => {
    expect((await open.request('/api/v1/http/runs/r1/lines')).headers).to.include({ vary: 'Origin, Accept' });
  });
});
