// Tests the order in which the gateway checks a request: the response reports the first failed check.

import { expect } from 'chai';
import type { HttpDeps } from '../../server/http/deps.ts';
import type { JsonRoute } from '../../server/http/route.ts';
import type { HttpResult, RequestOptions } from '../helpers/http/test-server.ts';
import { fakeConfig, fakeDeps, serve } from '../helpers/http/test-server.ts';

const routes: readonly JsonRoute[] = [
  { path: '/api/v1/http/closed/{id}', summary: '', scope: 'reports.read', query: ['token'], handle: answer },
  {
    path: '/api/v1/closed/{id}',
    summary: '',
    scope: 'reports.read',
    aliasOf: '/api/v1/http/closed/{id}',
    handle: answer,
  },
  { path: '/api/v1/http/never', summary: '', scope: 'never', handle: answer },
];

function answer(): never {
  throw new Error('the secret of the handler');
}

const off = { config: () => fakeConfig({ api: false }) };
const anonymous = { ...fakeDeps().access, identify: () => ({ caller: { user: '', token: false, scopes: [] } }) };
const ada = { ...fakeDeps().access, identify: () => ({ caller: { user: 'ada', token: true, scopes: [] } }) };

async function serveOnce(deps: Partial<HttpDeps>, path: string, options?: RequestOptions): Promise<HttpResult> {
  const serving = await serve(fakeDeps(deps), routes);
  try {
    return await serving.request(path, options);
  } finally {
    await serving.close();
  }
}

const wrong = { headers: { Host: 'evil.example', Authorization: 'Bearer x' }, method: 'PUT' };
const route = '/api/v1/http/closed/%zz';

interface Row {
  readonly title: string;
  readonly deps?: Partial<HttpDeps>;
  readonly path: string;
  readonly options?: RequestOptions;
  readonly status: number;
  readonly message: string;
  readonly header?: readonly [name: string, value: string];
}

const rows: readonly Row[] = [
  {
    title: 'that the API is off',
    deps: off,
    path: '/api/nowhere',
    options: wrong,
    status: 501,
    message: 'API is not implemented on this server; http: { api: true } in its distillery.yaml enables it',
  },
  {
    title: 'an unknown host',
    path: route,
    options: wrong,
    status: 404,
    message:
      'not found: the gateway does not answer for the host "evil.example"; http.domains lists the accepted hosts',
  },
  {
    title: 'an unknown route',
    path: '/api/nowhere/%zz',
    options: { ...wrong, headers: { Authorization: 'x' } },
    status: 404,
    message: 'not found',
  },
  {
    title: 'a method that is not allowed',
    path: route,
    options: { ...wrong, headers: { Authorization: 'x' } },
    status: 405,
    message: 'method not allowed',
    header: ['allow', 'GET, HEAD, OPTIONS'],
  },
  {
    title: 'invalid credentials',
    path: '/api/v1/http/never',
    options: { headers: { Authorization: 'Bearer x' } },
    status: 401,
    message: 'invalid credentials',
    header: ['www-authenticate', 'Bearer'],
  },
  {
    title: 'a missing scope of an anonymous caller',
    deps: { access: anonymous },
    path: route,
    status: 401,
    message: 'missing scope "reports.read"',
    header: ['www-authenticate', 'Bearer'],
  },
  {
    title: 'a missing scope of a logged-in caller',
    deps: { access: ada },
    path: route,
    status: 403,
    message: 'missing scope "reports.read"',
  },
  {
    title: 'a missing scope of an anonymous caller at an alias',
    deps: { access: anonymous },
    path: '/api/v1/closed/x',
    status: 403,
    message: 'missing scope "reports.read"',
  },
  {
    title: 'a missing scope of a logged-in caller at an alias',
    deps: { access: ada },
    path: '/api/v1/closed/x',
    status: 403,
    message: 'missing scope "reports.read"',
  },
  {
    title: 'a scope that no caller has, with the message of the scope',
    deps: { access: ada },
    path: '/api/v1/http/never',
    status: 403,
    message: 'no one can do this',
  },
  {
    title: 'a malformed parameter',
    path: route,
    status: 400,
    message:
      'the address is malformed near a %: each is followed by two hexadecimal digits, and together they are UTF-8',
  },
  { title: 'a failing handler', path: '/api/v1/http/closed/x', status: 500, message: 'internal server error' },
];

describe('the order of request checks', () => {
  for (const row of rows)
    it(`the response reports ${row.title}: ${row.status}`, async () => {
      const response = await serveOnce(row.deps ?? {}, row.path, row.options);
      expect(response.json()).to.include({ status: row.status, message: row.message });
      expect(response.status).to.equal(row.status);
      expect(response.headers['content-type']).to.equal('application/json; charset=utf-8');
      if (row.header !== undefined) expect(response.headers[row.header[0]]).to.equal(row.header[1]);
    });

  it('OPTIONS gets its response after the method check, without checks of credentials and scope', async () => {
    const response = await serveOnce({ access: anonymous }, '/api/v1/http/never', {
      method: 'OPTIONS',
      headers: { Authorization: 'Bearer x' },
    });
    expect(response).to.include({ status: 204, body: '' });
    expect(response.headers).to.include({ allow: 'GET, HEAD, OPTIONS' });
  });

  it('the text of an internal error appears only in the log; log and response share the request id', async () => {
    const logged: object[] = [];
    const log = { ...fakeDeps().log, error: (facts: object) => void logged.push(facts) };
    const response = await serveOnce({ log }, '/api/v1/http/closed/x?token=abc');
    expect(response.body).to.equal('{"status":500,"code":"internal","message":"internal server error"}');
    expect(JSON.stringify(response.headers)).not.to.contain('secret');
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include({
      request: response.headers['x-request-id'],
      method: 'GET',
      path: '/api/v1/http/closed/x',
    });
    expect(logged[0]).to.have.property('err').that.has.property('message', 'the secret of the handler');
  });

  for (const thrown of ['secret text', undefined, null, { status: 404, message: 'secret', expose: true }]) {
    it(`a response never shows a handler's error ${JSON.stringify(thrown)}`, async () => {
      const throws: Partial<HttpDeps> = { calls: () => Promise.reject(thrown) };
      const serving = await serve(fakeDeps(throws));
      const response = await serving.request('/api/v1/http/calls');
      await serving.close();
      expect(response.body).to.equal('{"status":500,"code":"internal","message":"internal server error"}');
    });
  }
});
