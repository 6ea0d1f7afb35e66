// Tests the configuration that a valid file becomes.

import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { defaultLimits } from '../../../protocol/limits.ts';
import { inFolder } from '../../helpers/config/config-folder.ts';

describe('loadConfig', () => {
  for (const empty of [
    '',
    '# nothing\n',
    'null\n',
    '---\n',
    'http:\nlimits:\nhome: { list: }\ndocker: { host: }\n',
    'http: { api: }',
    'retention:\nshutdown: { grace: }\n',
    'pipelines:\nsecrets:\ncompat:\n',
  ]) {
    it(`loadConfig builds a complete configuration from ${JSON.stringify(empty)}`, () =>
      inFolder(async ({ load, path }) => {
        expect(await load(empty.replace(/calls:$/, ''))).to.deep.equal({
          http: { api: false, host: '127.0.0.1', port: 8080, domains: [], origins: [], keepAliveMs: 65_000 },
          home: { list: { public: true, private: true } },
          data: join(path, '.distillery'),
          docker: { host: 'auto' },
          environment: ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL'],
          retention: { ageMs: 30 * 86_400_000, runs: 10_000, bytes: 10 * 2 ** 30 },
          shutdown: { graceMs: 10_000, containers: 'stop' },
          limits: defaultLimits,
          systems: [],
          node: hostname(),
          calls: [],
          pipelines: { run: true, hostJobs: false, mounts: [], hostNetwork: false, engines: [], workspaces: [] },
          resolve: [],
          secrets: {},
          compat: {},
        });
      }));
  }

  it('loadConfig reads every key', () =>
    inFolder(async ({ load, path }) => {
      await mkdir(join(path, 'items'));
      const config = await load(`
http:
  api: true
  listen: "[::1]:0"
  domain: A.example.org
  domains: [b.example.org, a.example.org]
  panel: panel.example.org
  origins: ["https://x.example.org:8443"]
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
resolve: { "https://id.example.org/": "https://www.example.org/get?uri=\${uri}" }
pipelines:
  run: false
  hostJobs: true
  mounts: [/srv, shared]
  hostNetwork: true
  engines: ["tcp://build:2375"]
  workspaces: [work]
secrets: { A: { file: a.txt }, B_2: { variable: SECRET_B, calls: [release, pipeline.run] } }
compat:
  pin:
    listen: 0.0.0.0:9000
    token: { file: token }
    allowUnauthenticated: false
    workspace: work
    allowOrigins: ["https://ci.example.org"]
    allowHostJobs: true
    maxConcurrent: 3
    github: { secret: { variable: HOOK }, branch: stable, pipeline: hook.yaml }
    initial: first.yaml
    eventsBytes: 1m
    events: named
`);
      expect(config).to.deep.equal({
        http: {
          api: true,
          host: '::1',
          port: 0,
          domains: ['a.example.org', 'b.example.org', 'panel.example.org'],
          origins: ['https://x.example.org:8443'],
          keepAliveMs: 65_000,
        },
        home: { list: { public: false, private: true } },
        data: '/srv/data',
        docker: { host: 'unix:///run/other.sock' },
        environment: ['PATH'],
        retention: { ageMs: 400 * 86_400_000, runs: 10_000, bytes: 2 ** 30 },
        shutdown: { graceMs: 60_000, containers: 'stop' },
        limits: { ...defaultLimits, firstCallMs: 3_000, graceMs: 20, messageBytesMax: 2 << 20, sessionsMax: 7 },
        systems: [
          {
            slug: 'herbarium',
            url: 'https://h.example.org/',
            tagline: '',
            entityCount: 0,
            bundleCount: 0,
            lastEdit: '2026-01-02T03:04:05Z',
            running: true,
            listed: true,
          },
        ],
        news: join(path, 'items'),
        resolve: [{ prefix: 'https://id.example.org/', target: 'https://www.example.org/get?uri=${uri}' }],
        node: 'left',
        calls: [],
        pipelines: {
          run: false,
          hostJobs: true,
          mounts: ['/srv', join(path, 'shared')],
          hostNetwork: true,
          engines: ['tcp://build:2375'],
          workspaces: [join(path, 'work')],
        },
        secrets: {
          A: { file: join(path, 'a.txt') },
          B_2: { variable: 'SECRET_B', calls: ['release', 'pipeline.run'] },
        },
        compat: {
          pin: {
            listen: { host: '0.0.0.0', port: 9_000 },
            token: { file: join(path, 'token') },
            allowUnauthenticated: false,
            workspace: join(path, 'work'),
            allowOrigins: ['https://ci.example.org'],
            allowHostJobs: true,
            maxConcurrent: 3,
            github: { secret: { variable: 'HOOK' }, branch: 'stable', pipeline: join(path, 'hook.yaml') },
            initial: join(path, 'first.yaml'),
            eventsBytes: 1 << 20,
            events: 'named',
          },
        },
      });
    }));

  it('loadConfig gives an empty pin section its own address, one run at a time, and no permissions', () =>
    inFolder(async ({ load }) => {
      expect((await load('compat: { pin: {} }')).compat.pin).to.deep.equal({
        listen: { host: '127.0.0.1', port: 8_081 },
        allowUnauthenticated: false,
        allowOrigins: [],
        allowHostJobs: false,
        maxConcurrent: 1,
        eventsBytes: 2 ** 30,
        events: 'unnamed',
      });
      expect((await load('compat: { pin: { prefix: /pin, github: {} } }')).compat.pin)
        .to.deep.include({ prefix: '/pin', github: { branch: 'main' } })
        .and.not.to.have.property('listen');
      expect(
        (await load('compat: { pin: { listen: "0.0.0.0:80", allowUnauthenticated: true } }')).compat.pin,
      ).to.deep.include({
        listen: { host: '0.0.0.0', port: 80 },
        allowUnauthenticated: true,
      });
    }));

  it('loadConfig builds declared calls in their order, with the grace of the call or else that of the limits', () =>
    inFolder(async ({ load }) => {
      const { calls } = await load(
        'limits: { graceMs: 3s }\ncalls: { b: { process: [ls] }, a: { terminal: [sh], stop: { grace: 1s } } }',
      );
      expect(calls.map(({ name, kind, stop }) => [name, kind, stop.graceMs])).to.deep.equal([
        ['b', 'process', 3_000],
        ['a', 'terminal', 1_000],
      ]);
    }));

  it('loadConfig gives calls the policies that the file declares', () =>
    inFolder(async ({ load }) => {
      const {
        calls: [call, plain],
      } = await load(`calls:
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
        onDisconnect: { default: { type: 'grace', graceMs: 30_000 }, allow: [{ type: 'detach' }] },
        concurrency: { limit: 2, by: 'p', queue: 100 },
        retention: { ageMs: 172_800_000, runs: 3 },
        stallAfterMs: 0,
        outputBytesMax: 1 << 20,
      });
      expect(plain).to.not.have.any.keys('onDisconnect', 'concurrency', 'retention', 'stallAfterMs', 'outputBytesMax');
    }));

  it('loadConfig repeats the value of an alias', () =>
    inFolder(async ({ load }) => {
      const { calls } = await load('calls:\n  a: &a { process: [ls] }\n  b: *a\n');
      expect(calls.map(({ name, kind }) => [name, kind])).to.deep.equal([
        ['a', 'process'],
        ['b', 'process'],
      ]);
    }));

  it('L1: distillery.yaml may have merge keys and templates', () =>
    inFolder(async ({ load }) => {
      const { calls } = await load(
        'x-base: &base { process: [ls], summary: base }\nx-more: &more { summary: more, stallAfter: 5m }\n' +
          'calls:\n  a: { <<: *base, summary: own }\n  b: { <<: [*more, *base] }\n',
      );
      expect(calls.map(({ name, kind, summary, stallAfterMs }) => [name, kind, summary, stallAfterMs])).to.deep.equal([
        ['a', 'process', 'own', undefined],
        ['b', 'process', 'more', 300_000],
      ]);
    }));

  it('loadConfig freezes the configuration recursively', () =>
    inFolder(async ({ load }) => {
      const config = await load(
        'systems: [{ slug: a, url: "https://a" }]\ncalls: { a: { process: [ls], params: [{ name: p, ' +
          'schema: { type: string } }] } }',
      );
      const open: string[] = [];
      const look = (value: unknown, path: string): void => {
        if (typeof value !== 'object' || value === null) return;
        if (!Object.isFrozen(value)) open.push(path);
        for (const [key, held] of Object.entries(value)) look(held, `${path}.${key}`);
      };
      look(config, 'config');
      expect(open).to.deep.equal([]);
    }));

  it('loadConfig accepts a byte order mark and Windows line ends', () =>
    inFolder(async ({ load, diagnostics }) => {
      expect((await load('\uFEFFhttp:\r\n  api: true\r\n')).http.api).to.equal(true);
      expect(await diagnostics('\uFEFFhttp:\r\n  api: 1\r\n')).to.deep.equal([
        'distillery.yaml:2:8: http.api: must be true or false, not 1',
      ]);
    }));

  it('loadConfig reads domains with a port (W3) and how long idle connections stay open (W4)', () =>
    inFolder(async ({ load, diagnostics }) => {
      const { http } = await load(
        'http: { domain: "A.example.org:443", domains: ["example.org:8443"], keepAlive: 2m }',
      );
      expect(http).to.deep.include({ domains: ['a.example.org:443', 'example.org:8443'], keepAliveMs: 120_000 });
      for (const wrong of ['example.org:0', 'example.org:65536', 'example.org:', 'example.org:8443/x', '[::1'])
        expect(await diagnostics(`http: { domains: ["${wrong}"] }`), wrong).to.deep.equal([
          [
            `distillery.yaml:1:19: http.domains[0]: "${wrong}" must be a host name, with or without a `,
            'port, without scheme or path',
          ].join(''),
        ]);
    }));
});
