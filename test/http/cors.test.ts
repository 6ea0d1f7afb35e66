import { expect } from 'chai';
import { fakeConfig, fakeParts, serve } from './serve.ts';
import type { Serving } from './serve.ts';

const listed = 'https://app.example.org';

describe('http: pages of other origins', () => {
  let open: Serving;
  let closed: Serving;

  before(async () => {
    open = await serve(fakeParts({ config: () => fakeConfig({ origins: [listed] }) }));
    closed = await serve();
  });
  after(() => Promise.all([open.close(), closed.close()]));

  it('may read answers and errors when they are listed', async () => {
    for (const path of ['/api/v1/http/auth', '/api/v1/http/nowhere']) {
      const { headers } = await open.ask(path, { headers: { Origin: listed } });
      expect(headers).to.include({ 'access-control-allow-origin': listed, vary: 'Origin' });
    }
  });

  it('are told at a preflight what they may send', async () => {
    const served = await open.ask('/api/v1/http/auth', { method: 'OPTIONS', headers: { Origin: listed, 'Access-Control-Request-Method': 'GET' } });
    expect(served.status).to.equal(204);
    expect(served.headers).to.include({ 'access-control-allow-methods': 'GET, HEAD', 'access-control-allow-headers': 'Authorization, Last-Event-ID' });
  });

  for (const origin of ['null', 'https://evil.example', `${listed}.evil.example`, undefined]) it(`are not let in as ${origin}, and caches are told that it matters`, async () => {
    const { headers, status } = await open.ask('/api/v1/http/auth', { headers: origin === undefined ? {} : { Origin: origin } });
    expect(status).to.equal(200);
    expect(headers).to.include({ vary: 'Origin' }).and.not.have.property('access-control-allow-origin');
  });

  it('are never mentioned when none is listed', async () => {
    const { headers } = await closed.ask('/api/v1/http/auth', { headers: { Origin: listed } });
    expect(headers).not.to.have.any.keys('vary', 'access-control-allow-origin');
  });

  it('make both of Accept and Origin matter to caches', async () => {
    expect((await open.ask('/api/v1/http/runs/r1/lines')).headers).to.include({ vary: 'Origin, Accept' });
  });
});
