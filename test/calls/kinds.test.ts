// Tests the call kinds: what a declaration passes to its engine.

import { expect } from 'chai';
import type { Call } from '../../calls/contract/call.ts';
import type { PipelinePermissions } from '../../calls/contract/engines.ts';
import type { DeclarationSource } from '../../calls/contract/kind.ts';
import { findKind } from '../../calls/declare/check-declaration.ts';
import { declareCall } from '../../calls/declare/declaration.ts';
import { kinds } from '../../calls/kinds.ts';
import { hostileValues } from '../helpers/calls/hostile-values.ts';
import { recordingContext } from '../helpers/calls/recording-engines.ts';

const permissions: PipelinePermissions = {
  hostJobs: false,
  mounts: ['/srv'],
  hostNetwork: false,
  engines: [],
  secrets: ['TOKEN'],
};
const source: DeclarationSource = {
  path: (relative) =>
    relative === '.' ? '/base' : relative.startsWith('/') ? relative : `/base/${relative.replace(/^\.\//, '')}`,
  read: async (file) => `text of ${file}`,
  pipelines: permissions,
};

function declare(declaration: Readonly<Record<string, unknown>>): Call {
  const kind = findKind(declaration, kinds);
  if (kind === undefined) throw new Error('no kind');
  return declareCall('it', declaration, { kind, source, graceMs: 700 });
}

async function buildSpec(
  declaration: Readonly<Record<string, unknown>>,
  params: Readonly<Record<string, string>> = {},
) {
  const { requests, context } = recordingContext(params);
  await declare(declaration).body(context);
  expect(requests).to.have.length(1);
  return requests[0]!.spec;
}

describe('declared calls', () => {
  it('a declared call has the common keys, with durations in milliseconds', () => {
    const { body, ...call } = declare({
      summary: 'Does it',
      params: [{ name: 'a' }],
      scope: 'admin',
      timeout: '2m',
      stop: { signal: 'SIGINT', grace: '3s' },
      process: ['true'],
    });
    expect(body).to.be.a('function');
    expect(call).to.deep.equal({
      name: 'it',
      kind: 'process',
      requires: { program: { argv: ['true'], cwd: '/base' } },
      summary: 'Does it',
      params: [{ name: 'a' }],
      needs: ['process'],
      scope: 'admin',
      timeoutMs: 120_000,
      stop: { signal: 'SIGINT', graceMs: 3_000 },
    });
  });

  it('declared calls stop with SIGTERM and the configured grace by default', () => {
    expect(declare({ process: ['true'] }).stop).to.deep.equal({ signal: 'SIGTERM', graceMs: 700 });
    expect(declare({ process: ['true'], stop: { grace: 0 } }).stop.graceMs).to.equal(0);
    expect(declare({ process: ['true'] })).not.to.have.property('timeoutMs');
  });

  it('declared calls return the result of their engine', async () => {
    const { context } = recordingContext({}, { exit: { signal: 'SIGKILL', oomKilled: true } });
    expect(await declare({ container: { image: 'x' } }).body(context)).to.deep.equal({
      signal: 'SIGKILL',
      oomKilled: true,
    });
  });

  for (const value of hostileValues) {
    it(`a call passes ${JSON.stringify(value)} to a program as one unchanged argument`, async () => {
      const params = { who: value, other: 'NOT ME' };
      expect(
        await buildSpec({ process: ['prog', '-x', '${who}', 'a ${who} b'], env: { WHO: '${who}' } }, params),
      ).to.deep.equal({
        argv: ['prog', '-x', value, `a ${value} b`],
        env: { WHO: value },
        cwd: '/base',
      });
      expect(await buildSpec({ terminal: ['prog', '${who}'] }, params)).to.deep.include({ argv: ['prog', value] });
      expect(
        await buildSpec(
          { container: { image: 'img', entrypoint: ['e', '${who}'], command: ['${who}'], env: { WHO: '${who}' } } },
          params,
        ),
      ).to.deep.equal({ image: 'img', entrypoint: ['e', value], command: [value], env: { WHO: value } });
    });
  }
});

describe('the kind process', () => {
  it('the kind process passes on every declared key', async () => {
    const limits = { memory: '64m', cpus: 0.5, pids: 9 };
    expect(
      await buildSpec({
        process: ['ls', '$${x}'],
        env: { A: 'b' },
        cwd: 'sub',
        umask: '027',
        uid: 5,
        gid: 6,
        ...limits,
      }),
    ).to.deep.equal({
      argv: ['ls', '${x}'],
      env: { A: 'b' },
      cwd: '/base/sub',
      umask: 0o27,
      uid: 5,
      gid: 6,
      memoryBytes: 64 << 20,
      cpus: 0.5,
      pidsMax: 9,
    });
  });

  it('the kind process uses the folder of the configuration as working folder by default', async () => {
    expect(await buildSpec({ process: ['pwd'] })).to.deep.equal({ argv: ['pwd'], cwd: '/base' });
  });

  it('the kind process resolves a path from the folder of the configuration, and a bare name in PATH', async () => {
    expect(await buildSpec({ process: ['./tool', 'x/y'] })).to.deep.include({ argv: ['/base/tool', 'x/y'] });
    expect(await buildSpec({ process: ['/bin/ls'] })).to.deep.include({ argv: ['/bin/ls'] });
  });
});

describe('the kind terminal', () => {
  const declaration = { terminal: ['bash', '-l'], cols: 100, rows: 30 };

  it('the kind terminal uses the declared size, or 80 by 24', async () => {
    expect(await buildSpec(declaration)).to.deep.equal({ argv: ['bash', '-l'], cwd: '/base', cols: 100, rows: 30 });
    expect(await buildSpec({ terminal: ['bash'] })).to.deep.include({ cols: 80, rows: 24 });
  });

  it("the kind terminal uses the size of the caller's terminal if it is known", async () => {
    const { requests, context } = recordingContext({}, { terminal: { cols: 132, rows: 43 } });
    await declare(declaration).body(context);
    expect(requests[0]?.spec).to.deep.include({ cols: 132, rows: 43 });
  });
});

describe('the kind container', () => {
  it('the kind container passes on every declared key, with the memory in bytes', async () => {
    expect(
      await buildSpec(
        {
          container: {
            image: 'tool:${tag}',
            command: ['run'],
            entrypoint: ['/init'],
            env: { A: 'b' },
            volumes: ['./in:/in:ro', '/srv:/srv', 'cache:/cache'],
            network: 'none',
            memory: '64m',
            cpus: 0.5,
            pids: 64,
            user: '1000:1000',
            readOnly: true,
            workdir: '/in',
            pull: 'never',
          },
        },
        { tag: '1.2' },
      ),
    ).to.deep.equal({
      image: 'tool:1.2',
      command: ['run'],
      entrypoint: ['/init'],
      env: { A: 'b' },
      volumes: ['/base/in:/in:ro', '/srv:/srv', 'cache:/cache'],
      network: 'none',
      memoryBytes: 64 << 20,
      cpus: 0.5,
      pidsMax: 64,
      user: '1000:1000',
      readOnly: true,
      workdir: '/in',
      pull: 'never',
    });
  });

  it('the kind container omits keys that are not declared', async () => {
    expect(await buildSpec({ container: { image: 'busybox' } })).to.deep.equal({ image: 'busybox' });
  });
});

describe('the kind pipeline', () => {
  it('the kind pipeline accepts a string as the file and reads the file when the run starts', async () => {
    expect(await buildSpec({ pipeline: 'release.yaml' })).to.deep.equal({
      text: 'text of /base/release.yaml',
      file: 'release.yaml',
      folder: '/base',
      workspace: { from: 'nowhere' },
      allow: permissions,
      variables: {},
    });
  });

  it('the kind pipeline passes on every declared key, and params as variables', async () => {
    expect(
      await buildSpec(
        { pipeline: { file: 'ci/release.yaml', workspace: './src', variables: { TAG: 'v${version}', kept: '$${x}' } } },
        { version: '1.2', kept: 'no' },
      ),
    ).to.deep.equal({
      text: 'text of /base/ci/release.yaml',
      file: 'ci/release.yaml',
      folder: '/base/ci/',
      workspace: { from: 'folder', path: '/base/src' },
      allow: permissions,
      variables: { version: '1.2', TAG: 'v1.2', kept: '${x}' },
    });
  });

  for (const value of hostileValues) {
    it(`the kind pipeline passes ${JSON.stringify(value)} unchanged as the value of a variable`, async () => {
      expect(
        await buildSpec({ pipeline: { file: 'x', variables: { WHO: 'a ${who}' } } }, { who: value }),
      ).to.deep.include({ variables: { who: value, WHO: `a ${value}` } });
    });
  }
});
