// Tests access to the pin API: the token, origins, hosts, and limits for clients on other machines.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { expect } from 'chai';
import { pinCall } from '../../../server/compat/pin/call.ts';
import type { PinOptions } from '../../../server/compat/pin/deps.ts';
import { allowsHostJobs, exposureError } from '../../../server/compat/pin/exposure.ts';
import { canonicalRoutes } from '../../../server/compat/pin/routes/table.ts';
import {
  defaultOptions,
  openPin,
  type PinFixture,
  type PinFixtureOptions,
  scriptedPipeline,
  withPin,
} from '../../helpers/compat/scripted-pin-server.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';

const withToken: PinFixtureOptions = {
  options: { token: { variable: 'PIN_TOKEN' } },
  secrets: { PIN_TOKEN: 'open sesame' },
};

interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request with any headers, including Host, and does not wait for the end of the body. */
function send(
  { port }: PinFixture,
  path: string,
  { method = 'GET', headers = {} }: RequestOptions = {},
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
      request.destroy();
    });
    request.on('error', reject);
    request.end(method === 'POST' ? scriptedPipeline('usual') : undefined);
  });
}

describe('the token of the pin API', () => {
  it('every route except / and the webhook requires the token', () =>
    withPin(async (fixture) => {
      for (const { method, path } of canonicalRoutes) {
        const { status, headers } = await send(fixture, path.replace('{id}', 'x'), { method });
        const expected = path === '/' ? 200 : path === '/webhooks/github' ? 503 : 401;
        expect([status, headers['www-authenticate']], path).to.deep.equal([
          expected,
          expected === 401 ? 'Bearer' : undefined,
        ]);
      }
      expect((await send(fixture, '/unnamed/events')).status).to.equal(401);
    }, withToken));

  const acceptedHeaders: readonly Readonly<Record<string, string>>[] = [
    { Authorization: 'Bearer open sesame' },
    { Authorization: 'bearer  open sesame' },
    { 'X-Pin-Token': 'open sesame' },
    { Authorization: 'Bearer open sesame', 'X-Pin-Token': 'open sesame' },
    { Authorization: 'Bearer wrong', 'X-Pin-Token': 'open sesame' },
  ];
  const rejectedHeaders: readonly Readonly<Record<string, string>>[] = [
    {},
    { Authorization: 'open sesame' },
    { Authorization: 'Bearer open' },
    { Authorization: 'Basic b3BlbiBzZXNhbWU=' },
    { Authorization: '' },
    { 'X-Pin-Token': '' },
    { 'X-Pin-Token': 'open sesame!' },
  ];
  it('the token is accepted as Bearer or as X-Pin-Token', () =>
    withPin(async (fixture) => {
      for (const headers of acceptedHeaders)
        expect((await send(fixture, '/health', { headers })).status, JSON.stringify(headers)).to.equal(200);
      for (const headers of rejectedHeaders)
        expect((await send(fixture, '/health', { headers })).status, JSON.stringify(headers)).to.equal(401);
    }, withToken));

  it('the token is not accepted in the query', () =>
    withPin(async (fixture) => {
      expect((await send(fixture, '/health?token=open%20sesame')).status).to.equal(401);
      expect((await send(fixture, '/events?access_token=open%20sesame')).status).to.equal(401);
    }, withToken));

  it('a preflight needs no token', () =>
    withPin(async (fixture) => {
      expect((await send(fixture, '/trigger', { method: 'OPTIONS' })).status).to.equal(204);
    }, withToken));

  it('the pin API does not open if the token cannot be read', () =>
    withTempFolder(async (folder) => {
      let message = '';
      await openPin(folder, { options: { token: { file: '/run/token' } } }).catch((error: Error) => {
        message = error.message;
      });
      expect(message).to.equal('there is no {"file":"/run/token"}');
    }));
});

describe('the origins of the pin API', () => {
  const allowed = { options: { allowOrigins: ['https://app.example.org', 'http://panel.example.org:8443'] } };

  it('pin defect 19: a page of a foreign origin is rejected at every route', () =>
    withPin(async (fixture) => {
      for (const origin of [
        'http://evil.example',
        'null',
        'https://127.0.0.1:1',
        'http://127.0.0.1',
        'http://localhost:1',
        'https://app.example.org.evil.example',
        'http://app.example.org',
        'file://',
        'garbage',
      ]) {
        for (const { method, path } of canonicalRoutes) {
          const { status, headers } = await send(fixture, path.replace('{id}', 'x'), {
            method,
            headers: { Origin: origin },
          });
          expect([status, headers['access-control-allow-origin']], `${origin} ${path}`).to.deep.equal([403, undefined]);
        }
        expect((await send(fixture, '/trigger', { method: 'OPTIONS', headers: { Origin: origin } })).status).to.equal(
          403,
        );
      }
      expect((await fixture.request('/runs')).json['runs']).to.deep.equal([]);
    }, allowed));

  it("a page of the API's own origin or of a listed origin is accepted and can read responses", () =>
    withPin(async (fixture) => {
      const own = [
        `http://127.0.0.1:${fixture.port}`,
        `http://localhost:${fixture.port}`,
        `http://[::1]:${fixture.port}`,
      ];
      for (const origin of [...own, 'https://app.example.org', 'http://panel.example.org:8443']) {
        for (const path of ['/health', '/events', '/nothing']) {
          const { status, headers } = await send(fixture, path, { headers: { Origin: origin } });
          expect([status, headers['access-control-allow-origin'], headers['vary']], origin).to.deep.equal([
            path === '/nothing' ? 404 : 200,
            origin,
            'Origin',
          ]);
        }
      }
    }, allowed));

  it('a preflight of a listed origin is accepted', () =>
    withPin(async (fixture) => {
      const { status, headers } = await send(fixture, '/trigger', {
        method: 'OPTIONS',
        headers: { Origin: 'https://app.example.org', 'Access-Control-Request-Private-Network': 'true' },
      });
      expect(status).to.equal(204);
      expect(headers).to.include({
        'access-control-allow-origin': 'https://app.example.org',
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': 'Authorization, Content-Type, X-Pin-Token, Last-Event-ID, Cache-Control',
        'access-control-allow-private-network': 'true',
      });
    }, allowed));

  it('a response to a request without an origin allows no origin', () =>
    withPin(async (fixture) => {
      expect((await send(fixture, '/events')).headers).not.to.have.property('access-control-allow-origin');
    }));
});

describe('the Host header of a pin request', () => {
  const accepted = [
    'localhost',
    'localhost:8081',
    'pin.localhost',
    '127.0.0.1:1',
    '10.0.0.7:8081',
    '[::1]:8081',
    '[fe80::1]',
    'app.example.org',
    'APP.example.org:99',
  ];
  const foreign = [
    'evil.example',
    'evil.example:8081',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'x app.example.org',
    '[::1',
  ];
  const options: PinFixtureOptions = { options: { allowOrigins: ['https://app.example.org'] } };

  it('the host must be localhost or a subdomain of it, an IP address, or the host of a listed origin', () =>
    withPin(async (fixture) => {
      for (const host of accepted)
        expect((await send(fixture, '/health', { headers: { Host: host } })).status, host).to.equal(200);
      for (const host of foreign)
        expect((await send(fixture, '/', { headers: { Host: host } })).status, host).to.equal(403);
    }, options));

  it('any host is accepted if there is a token', () =>
    withPin(async (fixture) => {
      expect((await send(fixture, '/', { headers: { Host: 'evil.example' } })).status).to.equal(200);
      expect((await send(fixture, '/health', { headers: { Host: 'evil.example' } })).status).to.equal(401);
    }, withToken));
});

describe('a pin API that other machines can reach', () => {
  const open = (changed: Partial<PinOptions>): PinOptions => ({
    ...defaultOptions,
    listen: { host: '0.0.0.0', port: 0 },
    ...changed,
  });

  it('an exposed pin API does not open without a token', () =>
    withTempFolder(async (folder) => {
      let message = '';
      await openPin(folder, { options: open({}) }).catch((error: Error) => {
        message = error.message;
      });
      expect(message).to.match(/^compat\.pin can be reached from other machines/);
    }));

  it('an exposed pin API opens with a token or with allowUnauthenticated', () => {
    expect(exposureError(open({ token: { variable: 'T' } }), '127.0.0.1')).to.equal(undefined);
    expect(exposureError(open({ allowUnauthenticated: true }), '127.0.0.1')).to.equal(undefined);
    expect(exposureError(open({}), '127.0.0.1')).to.be.a('string');
    expect(exposureError(open({ listen: { host: '::', port: 1 } }), '127.0.0.1')).to.be.a('string');
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1'])
      expect(exposureError(open({ listen: { host, port: 1 } }), '127.0.0.1'), host).to.equal(undefined);
  });

  it('a pin API with a prefix is exposed if the gateway is', () => {
    const { listen: _none, ...prefixed } = { ...defaultOptions, prefix: '/pin' };
    expect(exposureError(prefixed, '127.0.0.1')).to.equal(undefined);
    expect(exposureError(prefixed, '0.0.0.0')).to.be.a('string');
  });

  it('pin defect 19: host jobs need allowHostJobs, and a token if the pin API is exposed', () => {
    expect(allowsHostJobs(defaultOptions, '127.0.0.1')).to.equal(false);
    expect(allowsHostJobs({ ...defaultOptions, allowHostJobs: true }, '127.0.0.1')).to.equal(true);
    expect(allowsHostJobs(open({ allowHostJobs: true, allowUnauthenticated: true }), '127.0.0.1')).to.equal(false);
    expect(allowsHostJobs(open({ allowHostJobs: true, token: { variable: 'T' } }), '127.0.0.1')).to.equal(true);
  });

  it('a pipeline gets the permissions of the pin API', () =>
    withPin(
      async ({ request }) => {
        expect(
          (await request('/trigger?wait=true', { method: 'POST', body: scriptedPipeline('looks') })).status,
        ).to.equal(200);
      },
      {
        scripts: {
          async looks(_it, { allow }) {
            expect(allow).to.deep.equal({ hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: [] });
            return {};
          },
        },
      },
    ));
});

describe('the call of the pin API', () => {
  it('only the pin API can make the pin call', () =>
    withPin(async ({ testRuns }) => {
      const params = [scriptedPipeline('usual'), '{}', 'http_endpoint', 'none'];
      expect(() =>
        testRuns.runs.start({ call: 'pin', params, caller: { user: 'ada', token: false, scopes: [] } }),
      ).to.throw('failed to check scope');
    }));

  it('run records do not contain the text of a pipeline', () =>
    withPin(async ({ testRuns, trigger }) => {
      const id = await trigger('usual');
      const { params } = testRuns.runs.get(id)!;
      expect(params[0]).to.match(/^sha256:[0-9a-f]{16} \(\d+ bytes\)$/);
      expect(params.slice(1)).to.deep.equal(['{}', 'http_endpoint', 'none']);
    }));

  it('the limits of the pin call follow the options', () => {
    expect(pinCall({ ...defaultOptions, maxConcurrent: 3 }, '127.0.0.1')).to.deep.include({
      name: 'pin',
      kind: 'pipeline',
      concurrency: { limit: 3, queue: 100 },
      retention: { runs: 500 },
    });
  });
});
