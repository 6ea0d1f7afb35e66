import { expect } from 'chai';
import { hostname } from 'node:os';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultLimits } from '../../protocol/limits.ts';
import { inFolder } from './folder.ts';

describe('loadConfig', () => {
  for (const empty of ['', '# nothing\n', 'null\n', '---\n', 'http:\nlimits:\nhome: { list: }\ndocker: { host: }\n', 'http: { api: }', 'retention:\nshutdown: { grace: }\n']) {
    it(`makes a whole configuration of ${JSON.stringify(empty)}`, () => inFolder(async ({ load, path }) => {
      expect(await load(empty.replace(/calls:$/, ''))).to.deep.equal({
        http: { api: false, host: '127.0.0.1', port: 8080, domains: [], origins: [] },
        home: { list: { public: true, private: true } },
        data: join(path, '.distillery'),
        docker: { host: 'auto' },
        environment: ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL'],
        retention: { ageMs: 30 * 86_400_000, runs: 10_000, bytes: 10 * 2 ** 30 },
        shutdown: { graceMs: 10_000 },
        limits: defaultLimits,
        systems: [],
        node: hostname(),
        calls: [],
      });
    }));
  }

  it('reads every key', () => inFolder(async ({ load, path }) => {
    await mkdir(join(path, 'items'));
    const config = await load(`
http: { api: true, listen: "[::1]:0", domain: A.example.org, domains: [b.example.org, a.example.org], panel: panel.example.org, origins: ["https://x.example.org:8443"] }
home: { list: { public: false } }
data: /srv/data
docker: { host: "unix:///run/other.sock" }
environment: [PATH]
retention: { age: 400d, bytes: 1g }
shutdown: { grace: 1m }
limits: { firstCallMs: 3s, graceMs: 20, messageBytesMax: 2m, sessionsMax: 7 }
systems: [{ slug: herbarium, url: "https://h.example.org/", lastEdit: 2026-01-02T03:04:05Z }]
news: items
node: left
`);
    expect(config).to.deep.equal({
      http: { api: true, host: '::1', port: 0, domains: ['a.example.org', 'b.example.org', 'panel.example.org'], origins: ['https://x.example.org:8443'] },
      home: { list: { public: false, private: true } },
      data: '/srv/data',
      docker: { host: 'unix:///run/other.sock' },
      environment: ['PATH'],
      retention: { ageMs: 400 * 86_400_000, runs: 10_000, bytes: 2 ** 30 },
      shutdown: { graceMs: 60_000 },
      limits: { ...defaultLimits, firstCallMs: 3_000, graceMs: 20, messageBytesMax: 2 << 20, sessionsMax: 7 },
      systems: [{
        slug: 'herbarium', url: 'https://h.example.org/', tagline: '', entityCount: 0, bundleCount: 0, lastEdit: '2026-01-02T03:04:05Z', running: true, listed: true,
      }],
      news: join(path, 'items'),
      node: 'left',
      calls: [],
    });
  }));

  it('makes calls of declarations, relative to the file, with the configured grace', () => inFolder(async ({ load }) => {
    const { calls } = await load('limits: { graceMs: 3s }\ncalls: { b: { process: [ls] }, a: { terminal: [sh], stop: { grace: 1s } } }');
    expect(calls.map(({ name, kind, stop }) => [name, kind, stop.graceMs])).to.deep.equal([['b', 'process', 3_000], ['a', 'terminal', 1_000]]);
  }));

  it('gives calls what their author decides about their runs', () => inFolder(async ({ load }) => {
    const { calls: [call, plain] } = await load(`calls:
  a:
    process: [ls]
    params: [{ name: p }]
    onDisconnect: { default: "grace:30s", allow: [detach] }
    concurrency: { limit: 2, by: p }
    retention: { age: 2d, runs: 3 }
    stallAfter: 0
    output: 1m
  b: { terminal: [sh] }
`);
    expect(call).to.deep.include({
      onDisconnect: { default: { type: 'grace', graceMs: 30_000 }, allow: [{ type: 'detach' }] }, concurrency: { limit: 2, by: 'p', queue: 100 },
      retention: { ageMs: 172_800_000, runs: 3 }, stallAfterMs: 0, outputBytesMax: 1 << 20,
    });
    expect(plain).to.not.have.any.keys('onDisconnect', 'concurrency', 'retention', 'stallAfterMs', 'outputBytesMax');
  }));

  it('repeats what an alias stands for', () => inFolder(async ({ load }) => {
    const { calls } = await load('calls:\n  a: &a { process: [ls] }\n  b: *a\n');
    expect(calls.map(({ name, kind }) => [name, kind])).to.deep.equal([['a', 'process'], ['b', 'process']]);
  }));

  it('freezes everything, all the way down', () => inFolder(async ({ load }) => {
    const config = await load('systems: [{ slug: a, url: "https://a" }]\ncalls: { a: { process: [ls], params: [{ name: p, schema: { type: string } }] } }');
    const open: string[] = [];
    const look = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      Object.entries(value).forEach(([key, held]) => look(held, `${path}.${key}`));
    };
    look(config, 'config');
    expect(open).to.deep.equal([]);
  }));

  it('accepts a byte order mark and Windows line ends', () => inFolder(async ({ load, problems }) => {
    expect((await load('\uFEFFhttp:\r\n  api: true\r\n')).http.api).to.equal(true);
    expect(await problems('\uFEFFhttp:\r\n  api: 1\r\n')).to.deep.equal(['distillery.yaml:2:8: http.api: must be true or false, not 1']);
  }));
});
