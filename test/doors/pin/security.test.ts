// Who may come in through the pin door: the token, the page, the name that is asked for, and what strangers may never do.

import { expect } from 'chai';
import { request, type IncomingHttpHeaders } from 'node:http';
import type { PinOptions } from '../../../server/doors/pin/parts.ts';
import { pinCall } from '../../../server/doors/pin/call.ts';
import { allowsHostJobs, refusalToOpen } from '../../../server/doors/pin/exposure.ts';
import { routes } from '../../../server/doors/pin/routes/table.ts';
import { inFolder } from '../../runs/kit.ts';
import { openPin, played, usual, withPin, type PinStage, type StageOptions } from './stage.ts';

const withToken: StageOptions = { options: { token: { variable: 'PIN_TOKEN' } }, secrets: { PIN_TOKEN: 'open sesame' } };

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** With any header, Host too, and without waiting for the end of a stream. */
function ask({ port }: PinStage, path: string, { method = 'GET', headers = {} }: Asked = {}): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
      sent.destroy();
    });
    sent.on('error', reject);
    sent.end(method === 'POST' ? played('usual') : undefined);
  });
}

describe('the token of the pin door', () => {
  it('is asked for everywhere but at the first page and the webhook', () => withPin(async (stage) => {
    for (const { method, path } of routes) {
      const { status, headers } = await ask(stage, path.replace('{id}', 'x'), { method });
      const expected = path === '/' ? 200 : path === '/webhooks/github' ? 503 : 401;
      expect([status, headers['www-authenticate']], path).to.deep.equal([expected, expected === 401 ? 'Bearer' : undefined]);
    }
    expect((await ask(stage, '/unnamed/events')).status).to.equal(401);
  }, withToken));

  const fits: readonly Readonly<Record<string, string>>[] = [
    { Authorization: 'Bearer open sesame' }, { Authorization: 'bearer  open sesame' }, { 'X-Pin-Token': 'open sesame' },
    { Authorization: 'Bearer open sesame', 'X-Pin-Token': 'open sesame' }, { Authorization: 'Bearer wrong', 'X-Pin-Token': 'open sesame' },
  ];
  const fitsNot: readonly Readonly<Record<string, string>>[] = [
    {}, { Authorization: 'open sesame' }, { Authorization: 'Bearer open' }, { Authorization: 'Basic b3BlbiBzZXNhbWU=' }, { Authorization: '' }, { 'X-Pin-Token': '' }, { 'X-Pin-Token': 'open sesame!' },
  ];
  it('comes as Bearer, or as X-Pin-Token', () => withPin(async (stage) => {
    for (const headers of fits) expect((await ask(stage, '/health', { headers })).status, JSON.stringify(headers)).to.equal(200);
    for (const headers of fitsNot) expect((await ask(stage, '/health', { headers })).status, JSON.stringify(headers)).to.equal(401);
  }, withToken));

  it('is nothing in the query string', () => withPin(async (stage) => {
    expect((await ask(stage, '/health?token=open%20sesame')).status).to.equal(401);
    expect((await ask(stage, '/events?access_token=open%20sesame')).status).to.equal(401);
  }, withToken));

  it('is not asked of a preflight, which cannot bring it', () => withPin(async (stage) => {
    expect((await ask(stage, '/trigger', { method: 'OPTIONS' })).status).to.equal(204);
  }, withToken));

  it('keeps the door shut when it cannot be read', () => inFolder(async (folder) => {
    let refused = '';
    await openPin(folder, { options: { token: { file: '/run/token' } } }).catch((error: Error) => { refused = error.message; });
    expect(refused).to.equal('there is no {"file":"/run/token"}');
  }));
});

describe('a page in a browser', () => {
  const allowed = { options: { allowOrigins: ['https://app.example.org', 'http://panel.example.org:8443'] } };

  it('pin defect 19: of elsewhere is refused, whatever it asks', () => withPin(async (stage) => {
    for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1:1', 'http://127.0.0.1', 'http://localhost:1', 'https://app.example.org.evil.example', 'http://app.example.org', 'file://', 'garbage']) {
      for (const { method, path } of routes) {
        const { status, headers } = await ask(stage, path.replace('{id}', 'x'), { method, headers: { Origin: origin } });
        expect([status, headers['access-control-allow-origin']], `${origin} ${path}`).to.deep.equal([403, undefined]);
      }
      expect((await ask(stage, '/trigger', { method: 'OPTIONS', headers: { Origin: origin } })).status).to.equal(403);
    }
    expect((await stage.ask('/runs')).json['runs']).to.deep.equal([]);
  }, allowed));

  it('of the door itself, or of an origin that is listed, may come in and read', () => withPin(async (stage) => {
    const own = [`http://127.0.0.1:${stage.port}`, `http://localhost:${stage.port}`, `http://[::1]:${stage.port}`];
    for (const origin of [...own, 'https://app.example.org', 'http://panel.example.org:8443']) {
      for (const path of ['/health', '/events', '/nothing']) {
        const { status, headers } = await ask(stage, path, { headers: { Origin: origin } });
        expect([status, headers['access-control-allow-origin'], headers['vary']], origin).to.deep.equal([path === '/nothing' ? 404 : 200, origin, 'Origin']);
      }
    }
  }, allowed));

  it('of an origin that is listed may ask before it sends', () => withPin(async (stage) => {
    const { status, headers } = await ask(stage, '/trigger', { method: 'OPTIONS', headers: { Origin: 'https://app.example.org', 'Access-Control-Request-Private-Network': 'true' } });
    expect(status).to.equal(204);
    expect(headers).to.include({
      'access-control-allow-origin': 'https://app.example.org', 'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': 'Authorization, Content-Type, X-Pin-Token, Last-Event-ID, Cache-Control', 'access-control-allow-private-network': 'true',
    });
  }, allowed));

  it('is never allowed by a star', () => withPin(async (stage) => {
    expect((await ask(stage, '/events')).headers).not.to.have.property('access-control-allow-origin');
  }));
});

describe('the host that is asked for', () => {
  const ours = ['localhost', 'localhost:8081', 'pin.localhost', '127.0.0.1:1', '10.0.0.7:8081', '[::1]:8081', '[fe80::1]', 'app.example.org', 'APP.example.org:99'];
  const foreign = ['evil.example', 'evil.example:8081', 'localhost.evil.example', '127.0.0.1.evil.example', 'x app.example.org', '[::1'];
  const options: StageOptions = { options: { allowOrigins: ['https://app.example.org'] } };

  it('is this machine, an address, or that of an origin that is listed', () => withPin(async (stage) => {
    for (const host of ours) expect((await ask(stage, '/health', { headers: { Host: host } })).status, host).to.equal(200);
    for (const host of foreign) expect((await ask(stage, '/', { headers: { Host: host } })).status, host).to.equal(403);
  }, options));

  it('may be any where there is a token', () => withPin(async (stage) => {
    expect((await ask(stage, '/', { headers: { Host: 'evil.example' } })).status).to.equal(200);
    expect((await ask(stage, '/health', { headers: { Host: 'evil.example' } })).status).to.equal(401);
  }, withToken));
});

describe('a door that strangers can reach', () => {
  const open = (changed: Partial<PinOptions>): PinOptions => ({ ...usual, listen: { host: '0.0.0.0', port: 0 }, ...changed });

  it('is not opened without a token', () => inFolder(async (folder) => {
    let refused = '';
    await openPin(folder, { options: open({}) }).catch((error: Error) => { refused = error.message; });
    expect(refused).to.match(/^doors\.pin can be reached from other machines/);
  }));

  it('is opened with a token, or when that is meant', () => {
    expect(refusalToOpen(open({ token: { variable: 'T' } }), '127.0.0.1')).to.equal(undefined);
    expect(refusalToOpen(open({ withoutToken: true }), '127.0.0.1')).to.equal(undefined);
    expect(refusalToOpen(open({}), '127.0.0.1')).to.be.a('string');
    expect(refusalToOpen(open({ listen: { host: '::', port: 1 } }), '127.0.0.1')).to.be.a('string');
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) expect(refusalToOpen(open({ listen: { host, port: 1 } }), '127.0.0.1'), host).to.equal(undefined);
  });

  it('under a prefix is one where the gateway is', () => {
    const { listen: _none, ...prefixed } = { ...usual, prefix: '/pin' };
    expect(refusalToOpen(prefixed, '127.0.0.1')).to.equal(undefined);
    expect(refusalToOpen(prefixed, '0.0.0.0')).to.be.a('string');
  });

  it('pin defect 19: runs no jobs on the machine itself, not even when they are allowed; without the word, no door does', () => {
    expect(allowsHostJobs(usual, '127.0.0.1')).to.equal(false);
    expect(allowsHostJobs({ ...usual, allowHostJobs: true }, '127.0.0.1')).to.equal(true);
    expect(allowsHostJobs(open({ allowHostJobs: true, withoutToken: true }), '127.0.0.1')).to.equal(false);
    expect(allowsHostJobs(open({ allowHostJobs: true, token: { variable: 'T' } }), '127.0.0.1')).to.equal(true);
  });

  it('hands the same to the pipeline', () => withPin(async ({ ask }) => {
    expect((await ask('/trigger?wait=true', { method: 'POST', body: played('looks') })).status).to.equal(200);
  }, {
    plays: {
      async looks(_it, { allow }) {
        expect(allow).to.deep.equal({ hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: [] });
        return {};
      },
    },
  }));
});

describe('the call behind the pin door', () => {
  it('can be made by nobody who has not come through the door', () => withPin(async ({ heart }) => {
    const params = [played('usual'), '{}', 'http_endpoint', 'none'];
    expect(() => heart.runs.start({ call: 'pin', params, caller: { user: 'ada', token: false, scopes: [] } })).to.throw('failed to check scope');
  }));

  it('keeps the text of pipelines out of the records', () => withPin(async ({ heart, trigger }) => {
    const id = await trigger('usual');
    const { params } = heart.runs.get(id)!;
    expect(params[0]).to.match(/^sha256:[0-9a-f]{16} \(\d+ bytes\)$/);
    expect(params.slice(1)).to.deep.equal(['{}', 'http_endpoint', 'none']);
  }));

  it('is bounded as the options say', () => {
    expect(pinCall({ ...usual, maxConcurrent: 3 }, '127.0.0.1')).to.deep.include({ name: 'pin', kind: 'pipeline', concurrency: { limit: 3, queue: 100 }, retention: { runs: 500 } });
  });
});
