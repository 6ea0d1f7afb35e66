// The routes of the pin API, one by one: what each answers, and what all have in common.

import { expect } from 'chai';
import { request } from 'node:http';
import { find, routes } from '../../../server/doors/pin/routes/table.ts';
import { archiveOf, usual, withPin, type PinStage } from './stage.ts';

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** A status for each route, asked as it is meant to be. */
const reached: Readonly<Record<string, number>> = {
  'GET /': 200, 'GET /health': 200, 'GET /events': 200, 'POST /trigger': 200, 'GET /runs': 200, 'GET /runs/{id}': 200, 'GET /runs/{id}/logs': 200,
  'GET /runs/{id}/artifacts': 200, 'POST /runs/{id}/cancel': 409, 'GET /runs/{id}/events': 200, 'POST /webhooks/github': 503,
};

describe('the routes of the pin door', () => {
  it('are all looked at here', () => {
    expect(routes.map(({ method, path }) => `${method} ${path}`)).to.have.members(Object.keys(reached));
  });

  it('answer with and without a slash at the end', () => withPin(async (stage) => {
    const id = await stage.trigger('usual');
    await stage.over(id);
    for (const [route, status] of Object.entries(reached)) {
      const [method = '', path = ''] = route.split(' ');
      const address = path.replace('{id}', id);
      for (const asked of new Set([address, address.replace(/\/?$/, '/')])) {
        expect(await statusOf(stage, asked, { method, body: method === 'POST' ? 'workflow: [a]' : '' }), `${method} ${asked}`).to.equal(status);
      }
    }
  }));

  it('refuse another method with 405, and say which is allowed', () => withPin(async ({ ask }) => {
    for (const { method, path } of routes) {
      const allow = method === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS';
      for (const wrong of ['PUT', 'DELETE', 'PATCH', method === 'GET' ? 'POST' : 'GET']) {
        const { status, json, headers } = await ask(path.replace('{id}', 'x'), { method: wrong });
        expect([status, json['error'], headers.get('allow')], `${wrong} ${path}`).to.deep.equal([405, 'method_not_allowed', allow]);
      }
    }
  }));

  it('answer OPTIONS with 204', () => withPin(async ({ ask }) => {
    for (const { path } of routes) expect((await ask(path.replace('{id}', 'x'), { method: 'OPTIONS' })).status, path).to.equal(204);
  }));

  it('answer HEAD as GET, without the body', () => withPin(async (stage) => {
    const id = await stage.trigger('usual');
    await stage.over(id);
    for (const { path } of routes.filter(({ method }) => method === 'GET')) {
      const { status, headers, text } = await stage.ask(path.replace('{id}', id), { method: 'HEAD' });
      expect([status, text], path).to.deep.equal([200, '']);
      expect(headers.get('content-type')).to.match(/^(application|text)\//);
    }
  }));

  it('answer 404 in JSON where there is nothing', () => withPin(async ({ ask }) => {
    for (const path of ['/nothing', '/unnamed', '/unnamed/runs', '/runs/x/y', '/runs/nobody', '/runs/nobody/logs', '/runs/nobody/events', '/runs/nobody/artifacts', '/%', '/events/x']) {
      const { status, json, headers } = await ask(path);
      expect([status, json['error']], path).to.deep.equal([404, 'not_found']);
      expect(headers.get('content-type')).to.equal('application/json; charset=utf-8');
      expect(json['message']).to.be.a('string');
    }
    expect((await ask('/runs/nobody/cancel', { method: 'POST' })).json).to.include({ error: 'not_found' });
  }));

  it('know three of them behind /unnamed', () => {
    expect(['/unnamed/events', '/unnamed/trigger', '/unnamed/health/'].map((path) => find(path)?.unnamed)).to.deep.equal([true, true, true]);
    expect(['/events', '/trigger', '/health'].map((path) => find(path)?.unnamed)).to.deep.equal([false, false, false]);
  });

  it('answer behind a prefix of the gateway, and only there', () => withPin(async ({ door }) => {
    expect(['/pin', '/pin/', '/pin/events?run_id=x', '/pin?x'].map((url) => door.has(url))).to.deep.equal([true, true, true, true]);
    expect(['/', '/pinned', '/api/v1/pin', undefined].map((url) => door.has(url))).to.deep.equal([false, false, false, false]);
  }, { options: { listen: usual.listen!, prefix: '/pin' } }));
});

describe('GET /', () => {
  it('pin defect 29: says what and where everything is', () => withPin(async ({ ask }) => {
    const { status, json } = await ask('/');
    expect(status).to.equal(200);
    expect(json).to.have.all.keys('service', 'version', 'status', 'endpoints', 'uptime', 'connected_clients', 'timestamp');
    expect(json).to.include({ service: 'pin-daemon', version: '1.2.3', status: 'running', uptime: '0s', connected_clients: 0 });
    expect(Object.keys(json['endpoints'] as object)).to.include.members(['/', '/health', '/events', '/trigger', '/runs', '/runs/{id}', '/runs/{id}/logs', '/webhooks/github']);
    expect(json['timestamp']).to.match(rfc3339);
  }));
});

describe('GET /health', () => {
  it('pin defect 29: has every field its clients read', () => withPin(async ({ ask, trigger, over, listen }) => {
    const { json } = await ask('/health');
    expect(json).to.have.all.keys('status', 'uptime', 'connected_clients', 'clients', 'last_pipeline', 'total_pipelines_executed', 'timestamp');
    expect(json).to.include({ status: 'healthy', uptime: '0s', connected_clients: 0, clients: 0, last_pipeline: null, total_pipelines_executed: 0 });
    const readers = [await listen(), await listen('/unnamed/events')];
    const id = await trigger('usual');
    await over(id);
    expect((await ask('/unnamed/health')).json).to.include({ connected_clients: 2, clients: 2, last_pipeline: id, total_pipelines_executed: 1 });
    for (const reader of readers) reader.cut();
  }));
});

describe('GET /runs', () => {
  it('lists the newest first, 50 unless told otherwise', () => withPin(async ({ ask, trigger, over }) => {
    const ids: string[] = [];
    for (let i = 0; i < 52; i++) ids.unshift(await trigger('usual'));
    await over(ids[0]!);
    const listed = async (query: string): Promise<readonly string[]> => ((await ask(`/runs${query}`)).json['runs'] as { id: string }[]).map(({ id }) => id);
    expect(await listed('')).to.deep.equal(ids.slice(0, 50));
    expect(await listed('?limit=2')).to.deep.equal(ids.slice(0, 2));
    expect(await listed('?limit=500')).to.deep.equal(ids);
    expect((await ask('/runs')).json['timestamp']).to.match(rfc3339);
    for (const limit of ['0', '-1', 'x', '501', '']) expect((await ask(`/runs?limit=${limit}`)).json, limit).to.include({ error: 'invalid_request' });
  }, { options: { maxConcurrent: 10 } }));
});

describe('GET /runs/{id}/logs', () => {
  it('is text: a time, a level or a stream, a job, and what there is to say', () => withPin(async ({ ask, trigger, over }) => {
    const id = await trigger('talks');
    await over(id);
    const { status, headers, text } = await ask(`/runs/${id}/logs`);
    expect([status, headers.get('content-type')]).to.deep.equal([200, 'text/plain; charset=utf-8']);
    const lines = text.trimEnd().split('\n');
    expect(lines.every((line) => /^\d{4}-\d\d-\d\dT\S+Z \[\w+\] /.test(line))).to.equal(true);
    expect(lines.map((line) => line.replace(/^\S+ /, ''))).to.deep.equal([
      '[info] Pipeline trigger request received', '[info] Pipeline execution started', '[stdout] [build] out', '[stderr] [build] err', '[stdout] [test] too',
      '[info] [test] Job skipped: the pipeline was cancelled', '[error] Pipeline execution failed: no engine',
    ]);
  }, {
    plays: {
      async talks(it) {
        it.plan('build', 'test');
        it.print('build', 'out\n');
        it.print('build', 'err\n', 'stderr');
        it.print('test', 'too\n');
        it.tell({ type: 'job-skipped', job: 'test', reason: 'cancelled' });
        return { failure: 'no engine' };
      },
    },
  }));

  it('of a run that goes on is what there is', () => withPin(async ({ ask, trigger, listen }) => {
    const reader = await listen();
    const id = await trigger('waits');
    await reader.event('pipeline_started');
    expect((await ask(`/runs/${id}/logs`)).text).to.contain('Pipeline execution started').and.not.contain('cancelled');
    reader.cut();
  }));
});

describe('GET /runs/{id}/artifacts', () => {
  it('is a tar archive', () => withPin(async ({ ask, trigger }) => {
    const id = await trigger('usual');
    const { status, headers, text } = await ask(`/runs/${id}/artifacts`);
    expect([status, headers.get('content-type'), headers.get('content-disposition'), text]).to.deep.equal([200, 'application/x-tar', `attachment; filename="${id}-artifacts.tar"`, 'one two']);
  }, { artifacts: () => archiveOf('one ', 'two') }));

  it('is an empty one of a run that has kept nothing', () => withPin(async ({ ask, trigger }) => {
    const { status, text } = await ask(`/runs/${await trigger('usual')}/artifacts`);
    expect([status, text]).to.deep.equal([200, '\0'.repeat(1024)]);
  }));
});

/** Event streams have no end to wait for. */
function statusOf({ port }: PinStage, path: string, { method, body }: { readonly method: string; readonly body: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method, agent: false }, (answer) => {
      resolve(answer.statusCode ?? 0);
      sent.destroy();
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
