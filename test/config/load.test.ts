import { expect } from 'chai';
import { hostname } from 'node:os';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultLimits } from '../../protocol/limits.ts';
import { inFolder } from './folder.ts';

describe('loadConfig', () => {
  for (const empty of ['', '# nothing\n', 'null\n', '---\n', 'http:\nlimits:\nhome: { list: }\ndocker: { host: }\n', 'http: { api: }', 'retention:\nshutdown: { grace: }\n', 'pipelines:\nsecrets:\ndoors:\n']) {
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
        pipelines: { run: true, hostJobs: false, mounts: [], hostNetwork: false, engines: [], workspaces: [] },
        secrets: {},
        doors: {},
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
pipelines: { run: false, hostJobs: true, mounts: [/srv, shared], hostNetwork: true, engines: ["tcp://build:2375"], workspaces: [work] }
secrets: { A: { file: a.txt }, B_2: { variable: SECRET_B, calls: [release, pipeline.run] } }
doors:
  pin:
    listen: 0.0.0.0:9000
    token: { file: token }
    withoutToken: false
    workspace: work
    allowOrigins: ["https://ci.example.org"]
    allowHostJobs: true
    maxConcurrent: 3
    github: { secret: { variable: HOOK }, branch: stable, pipeline: hook.yaml }
    initial: first.yaml
    eventsBytes: 1m
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
      pipelines: { run: false, hostJobs: true, mounts: ['/srv', join(path, 'shared')], hostNetwork: true, engines: ['tcp://build:2375'], workspaces: [join(path, 'work')] },
      secrets: { A: { file: join(path, 'a.txt') }, B_2: { variable: 'SECRET_B', calls: ['release', 'pipeline.run'] } },
      doors: {
        pin: {
          listen: { host: '0.0.0.0', port: 9_000 }, token: { file: join(path, 'token') }, withoutToken: false, workspace: join(path, 'work'),
          allowOrigins: ['https://ci.example.org'], allowHostJobs: true, maxConcurrent: 3,
          github: { secret: { variable: 'HOOK' }, branch: 'stable', pipeline: join(path, 'hook.yaml') }, initial: join(path, 'first.yaml'), eventsBytes: 1 << 20,
        },
      },
    });
  }));

  it('gives a pin door that says nothing an address of its own, one at a time, and no more', () => inFolder(async ({ load }) => {
    expect((await load('doors: { pin: {} }')).doors.pin).to.deep.equal({
      listen: { host: '127.0.0.1', port: 8_081 }, withoutToken: false, allowOrigins: [], allowHostJobs: false, maxConcurrent: 1, eventsBytes: 2 ** 30,
    });
    expect((await load('doors: { pin: { prefix: /pin, github: {} } }')).doors.pin).to.deep.include({ prefix: '/pin', github: { branch: 'main' } }).and.not.to.have.property('listen');
    expect((await load('doors: { pin: { listen: "0.0.0.0:80", withoutToken: true } }')).doors.pin).to.deep.include({ listen: { host: '0.0.0.0', port: 80 }, withoutToken: true });
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
