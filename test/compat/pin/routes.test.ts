// Tests the routes of the pin API: the response of each route, and what all routes have in common.

import { request as httpRequest } from 'node:http';
import { expect } from 'chai';
import { canonicalRoutes, routes } from '../../../server/compat/pin/routes/table.ts';
import { createArchive, type PinFixture, withPin } from '../../helpers/compat/scripted-pin-server.ts';

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** Expected status of each route for a valid request. */
const expectedStatus: Readonly<Record<string, number>> = {
  'GET /': 200,
  'GET /health': 200,
  'GET /events': 200,
  'POST /trigger': 200,
  'GET /runs': 200,
  'GET /runs/{id}': 200,
  'GET /runs/{id}/logs': 200,
  'GET /runs/{id}/artifacts': 200,
  'POST /runs/{id}/cancel': 409,
  'GET /runs/{id}/events': 200,
  'POST /webhooks/github': 503,
};

describe('the routes of the pin API', () => {
  it('every route has an expected status in this test', () => {
    expect(canonicalRoutes.map(({ method, path }) => `${method} ${path}`)).to.have.members(Object.keys(expectedStatus));
  });

  it('every route accepts a trailing slash', () =>
    withPin(async (fixture) => {
      const id = await fixture.trigger('usual');
      await fixture.ended(id);
      for (const [route, status] of Object.entries(expectedStatus)) {
        const [method = '', path = ''] = route.split(' ');
        const address = path.replace('{id}', id);
        for (const requested of new Set([address, address.replace(/\/?$/, '/')])) {
          expect(
            await fetchStatus(fixture, requested, { method, body: method === 'POST' ? 'workflow: [a]' : '' }),
            `${method} ${requested}`,
          ).to.equal(status);
        }
      }
    }));

  it('every route rejects other methods with 405 and lists the allowed ones', () =>
    withPin(async ({ request }) => {
      for (const { method, path } of canonicalRoutes) {
        const allow = method === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS';
        for (const wrong of ['PUT', 'DELETE', 'PATCH', method === 'GET' ? 'POST' : 'GET']) {
          const { status, json, headers } = await request(path.replace('{id}', 'x'), { method: wrong });
          expect([status, json['error'], headers.get('allow')], `${wrong} ${path}`).to.deep.equal([
            405,
            'method_not_allowed',
            allow,
          ]);
        }
      }
    }));

  it('every route returns 204 to OPTIONS', () =>
    withPin(async ({ request }) => {
      for (const { path } of routes)
        expect((await request(path.replace('{id}', 'x'), { method: 'OPTIONS' })).status, path).to.equal(204);
    }));

  it('every GET route returns to HEAD what it returns to GET, without the body', () =>
    withPin(async (fixture) => {
      const id = await fixture.trigger('usual');
      await fixture.ended(id);
      for (const { path } of routes.filter(({ method }) => method === 'GET')) {
        const { status, headers, text } = await fixture.request(path.replace('{id}', id), { method: 'HEAD' });
        expect([status, text], path).to.deep.equal([200, '']);
        expect(headers.get('content-type')).to.match(/^(application|text)\//);
      }
    }));

  it('an unknown path gets 404 in JSON', () =>
    withPin(async ({ request }) => {
      for (const path of [
        '/nothing',
        '/unnamed/nothing',
        '/named/unnamed/runs',
        '/runs/x/y',
        '/runs/missing',
        '/runs/missing/logs',
        '/runs/missing/events',
        '/runs/missing/artifacts',
        '/%',
        '/events/x',
      ]) {
        const { status, json, headers } = await request(path);
        expect([status, json['error']], path).to.deep.equal([404, 'not_found']);
        expect(headers.get('content-type')).to.equal('application/json; charset=utf-8');
        expect(json['message']).to.be.a('string');
      }
      expect((await request('/runs/missing/cancel', { method: 'POST' })).json).to.include({ error: 'not_found' });
    }));

  it('L13: every route also exists below /named and below /unnamed', () => {
    const paths = routes.map(({ method, path }) => `${method} ${path}`);
    for (const base of ['', '/named', '/unnamed'])
      for (const { method, path } of canonicalRoutes)
        expect(paths).to.include(`${method} ${base === '' ? path : base + path.replace(/^\/$/, '')}`);
    expect(paths).to.have.length(3 * canonicalRoutes.length);
  });

  it('with a prefix, the routes exist below the prefix only', () =>
    withPin(
      async ({ request }) => {
        const status = async (path: string): Promise<number> => (await request(path)).status;
        expect(await Promise.all(['/pin', '/pin/', '/pin/health', '/pin?x'].map(status))).to.deep.equal([
          200, 200, 200, 200,
        ]);
        expect(await Promise.all(['/', '/pinned', '/health', '/api/v1/pin'].map(status))).to.deep.equal([
          404, 404, 404, 404,
        ]);
      },
      { options: { prefix: '/pin' } },
    ));
});

describe('GET /', () => {
  it('pin defect 29: GET / lists the routes and describes the service', () =>
    withPin(async ({ request }) => {
      const { status, json } = await request('/');
      expect(status).to.equal(200);
      expect(json).to.have.all.keys(
        'service',
        'version',
        'status',
        'endpoints',
        'uptime',
        'connected_clients',
        'timestamp',
      );
      expect(json).to.include({
        service: 'pin-daemon',
        version: '1.2.3',
        status: 'running',
        uptime: '0s',
        connected_clients: 0,
      });
      expect(Object.keys(json['endpoints'] as object)).to.include.members([
        '/',
        '/health',
        '/events',
        '/trigger',
        '/runs',
        '/runs/{id}',
        '/runs/{id}/logs',
        '/webhooks/github',
      ]);
      expect(json['timestamp']).to.match(rfc3339);
    }));
});

describe('GET /health', () => {
  it('pin defect 29: GET /health returns every field that clients read', () =>
    withPin(async ({ request, trigger, ended, listen, record }) => {
      const { json } = await request('/health');
      expect(json).to.have.all.keys(
        'status',
        'uptime',
        'connected_clients',
        'clients',
        'last_pipeline',
        'last_run',
        'total_pipelines_executed',
        'timestamp',
      );
      expect(json).to.include({
        status: 'healthy',
        uptime: '0s',
        connected_clients: 0,
        clients: 0,
        last_pipeline: null,
        last_run: null,
        total_pipelines_executed: 0,
      });
      const readers = [await listen(), await listen('/unnamed/events')];
      const id = await trigger('usual');
      await ended(id);
      for (const path of ['/health', '/named/health', '/unnamed/health'])
        expect((await request(path)).json, path).to.include({
          connected_clients: 2,
          clients: 2,
          last_run: id,
          last_pipeline: (await record(id)).started_at,
          total_pipelines_executed: 1,
        });
      for (const reader of readers) reader.cut();
    }));
});

describe('GET /runs', () => {
  it('GET /runs lists the newest runs first, 50 by default', () =>
    withPin(
      async ({ request, trigger, ended }) => {
        const ids: string[] = [];
        for (let i = 0; i < 52; i++) ids.unshift(await trigger('usual'));
        await ended(ids[0]!);
        const listIds = async (query: string): Promise<readonly string[]> =>
          ((await request(`/runs${query}`)).json['runs'] as { id: string }[]).map(({ id }) => id);
        expect(await listIds('')).to.deep.equal(ids.slice(0, 50));
        expect(await listIds('?limit=2')).to.deep.equal(ids.slice(0, 2));
        expect(await listIds('?limit=500')).to.deep.equal(ids);
        expect((await request('/runs')).json['timestamp']).to.match(rfc3339);
        for (const limit of ['0', '-1', 'x', '501', ''])
          expect((await request(`/runs?limit=${limit}`)).json, limit).to.include({ error: 'invalid_request' });
      },
      { options: { maxConcurrent: 10 } },
    ));
});

describe('GET /runs/{id}/logs', () => {
  it('the log of a run is text: a time, a level or a stream, a job, and the message', () =>
    withPin(
      async ({ request, trigger, ended }) => {
        const id = await trigger('talks');
        await ended(id);
        const { status, headers, text } = await request(`/runs/${id}/logs`);
        expect([status, headers.get('content-type')]).to.deep.equal([200, 'text/plain; charset=utf-8']);
        const lines = text.trimEnd().split('\n');
        expect(lines.every((line) => /^\d{4}-\d\d-\d\dT\S+Z \[\w+\] /.test(line))).to.equal(true);
        expect(lines.map((line) => line.replace(/^\S+ /, ''))).to.deep.equal([
          '[info] Pipeline trigger request received',
          '[info] Pipeline execution started',
          '[stdout] [build] out',
          '[stderr] [build] err',
          '[stdout] [test] too',
          '[info] [test] Job skipped: the pipeline was cancelled',
          '[error] Pipeline execution failed: no engine',
        ]);
      },
      {
        scripts: {
          async talks(script) {
            script.plan('build', 'test');
            script.print('build', 'out\n');
            script.print('build', 'err\n', 'stderr');
            script.print('test', 'too\n');
            script.emit({ type: 'job-skipped', job: 'test', reason: 'cancelled' });
            return { failure: 'no engine' };
          },
        },
      },
    ));

  it('the log of an active run has the lines so far', () =>
    withPin(async ({ request, trigger, listen }) => {
      const reader = await listen();
      const id = await trigger('waits');
      await reader.event('pipeline_started');
      expect((await request(`/runs/${id}/logs`)).text)
        .to.contain('Pipeline execution started')
        .and.not.contain('cancelled');
      reader.cut();
    }));
});

describe('GET /runs/{id}/artifacts', () => {
  it('the artifacts of a run are a tar archive', () =>
    withPin(
      async ({ request, trigger }) => {
        const id = await trigger('usual');
        const { status, headers, text } = await request(`/runs/${id}/artifacts`);
        expect([status, headers.get('content-type'), headers.get('content-disposition'), text]).to.deep.equal([
          200,
          'application/x-tar',
          `attachment; filename="${id}-artifacts.tar"`,
          'one two',
        ]);
      },
      { artifacts: () => createArchive('one ', 'two') },
    ));

  it('the archive of a run without artifacts is empty', () =>
    withPin(async ({ request, trigger }) => {
      const { status, text } = await request(`/runs/${await trigger('usual')}/artifacts`);
      expect([status, text]).to.deep.equal([200, '\0'.repeat(1024)]);
    }));
});

/** Returns the status without waiting for the body: event streams do not end. */
function fetchStatus(
  { port }: PinFixture,
  path: string,
  { method, body }: { readonly method: string; readonly body: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: '127.0.0.1', path, method, agent: false }, (answer) => {
      resolve(answer.statusCode ?? 0);
      sent.destroy();
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
