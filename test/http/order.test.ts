// The order in which a request is checked: when several things are wrong, the first is told.

import { expect } from 'chai';
import type { HttpParts } from '../../server/http/parts.ts';
import type { Route } from '../../server/http/route.ts';
import { fakeConfig, fakeParts, serve } from './serve.ts';
import type { Asking, Served } from './serve.ts';

const routes: readonly Route[] = [
  { path: '/api/v1/http/closed/{id}', summary: '', scope: 'url.resolve', answer: answer },
  { path: '/api/v1/closed/{id}', summary: '', scope: 'url.resolve', aliasOf: '/api/v1/http/closed/{id}', answer: answer },
  { path: '/api/v1/http/never', summary: '', scope: 'never', answer: answer },
];

function answer(): never {
  throw new Error('the secret of the handler');
}

const off = { config: () => fakeConfig({ api: false }) };
const nobody = { ...fakeParts().access, identify: () => ({ caller: { user: '', token: false, scopes: [] } }) };
const ada = { ...fakeParts().access, identify: () => ({ caller: { user: 'ada', token: false, scopes: [] } }) };

async function once(parts: Partial<HttpParts>, path: string, asking?: Asking): Promise<Served> {
  const serving = await serve(fakeParts(parts), routes);
  try {
    return await serving.ask(path, asking);
  } finally {
    await serving.close();
  }
}

const wrong = { headers: { Host: 'evil.example', Authorization: 'Bearer x' }, method: 'PUT' };
const route = '/api/v1/http/closed/%zz';

interface Row {
  readonly title: string;
  readonly parts?: Partial<HttpParts>;
  readonly path: string;
  readonly asking?: Asking;
  readonly status: number;
  readonly message: string;
  readonly header?: readonly [name: string, value: string];
}

const rows: readonly Row[] = [
  { title: '1 the API is off, before all else', parts: off, path: '/api/nowhere', asking: wrong, status: 501, message: 'API is not implemented on this server' },
  { title: '1b an unknown host', path: route, asking: wrong, status: 404, message: 'not found: the gateway does not answer for the host "evil.example"; http.domains names those it answers for' },
  { title: '2 an unknown route', path: '/api/nowhere/%zz', asking: { ...wrong, headers: { Authorization: 'x' } }, status: 404, message: 'not found' },
  { title: '3 a method that is not allowed', path: route, asking: { ...wrong, headers: { Authorization: 'x' } }, status: 405, message: 'method not allowed', header: ['allow', 'GET, HEAD, OPTIONS'] },
  { title: '4 invalid credentials', path: '/api/v1/http/never', asking: { headers: { Authorization: 'Bearer x' } }, status: 401, message: 'invalid credentials', header: ['www-authenticate', 'Bearer'] },
  { title: '5 a missing scope, of somebody anonymous', parts: { access: nobody }, path: route, status: 401, message: 'missing scope "url.resolve"', header: ['www-authenticate', 'Bearer'] },
  { title: '5 a missing scope, of somebody known', parts: { access: ada }, path: route, status: 403, message: 'missing scope "url.resolve"' },
  { title: '5 a missing scope, of somebody anonymous at an alias', parts: { access: nobody }, path: '/api/v1/closed/x', status: 403, message: 'missing scope "url.resolve"' },
  { title: '5 a missing scope, of somebody known at an alias', parts: { access: ada }, path: '/api/v1/closed/x', status: 403, message: 'missing scope "url.resolve"' },
  { title: '5 a scope nobody has, with its own text', parts: { access: ada }, path: '/api/v1/http/never', status: 403, message: 'no one can do this' },
  { title: '6 a malformed parameter', path: route, status: 400, message: 'the address is malformed near a %: each is followed by two hexadecimal digits, and together they are UTF-8' },
  { title: '6 a failing handler', path: '/api/v1/http/closed/x', status: 500, message: 'internal server error' },
];

describe('http: order of checks', () => {
  for (const row of rows) it(`tells of ${row.title}: ${row.status}`, async () => {
    const served = await once(row.parts ?? {}, row.path, row.asking);
    expect(served.json()).to.include({ status: row.status, message: row.message });
    expect(served.status).to.equal(row.status);
    expect(served.headers['content-type']).to.equal('application/json; charset=utf-8');
    if (row.header !== undefined) expect(served.headers[row.header[0]]).to.equal(row.header[1]);
  });

  it('answers OPTIONS after the method check, without credentials, scope or handler', async () => {
    const served = await once({ access: nobody }, '/api/v1/http/never', { method: 'OPTIONS', headers: { Authorization: 'Bearer x' } });
    expect(served).to.include({ status: 204, body: '' });
    expect(served.headers).to.include({ allow: 'GET, HEAD, OPTIONS' });
  });

  it('keeps the text of an internal fault to the log, and gives its number to both', async () => {
    const logged: object[] = [];
    const log = { ...fakeParts().log, error: (facts: object) => void logged.push(facts) };
    const served = await once({ log }, '/api/v1/http/closed/x?token=abc');
    expect(served.body).to.equal('{"status":500,"code":"internal","message":"internal server error"}');
    expect(JSON.stringify(served.headers)).not.to.contain('secret');
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include({ request: served.headers['x-request-id'], method: 'GET', path: '/api/v1/http/closed/x' });
    expect(logged[0]).to.have.property('err').that.has.property('message', 'the secret of the handler');
  });

  for (const thrown of ['secret text', undefined, null, { status: 404, message: 'secret', expose: true }]) {
    it(`tells nothing of a thrown ${JSON.stringify(thrown)}`, async () => {
      const throws: Partial<HttpParts> = { calls: () => Promise.reject(thrown) };
      const serving = await serve(fakeParts(throws));
      const served = await serving.ask('/api/v1/http/calls');
      await serving.close();
      expect(served.body).to.equal('{"status":500,"code":"internal","message":"internal server error"}');
    });
  }
});
