import { expect } from 'chai';
import { kinds } from '../../calls/catalogue.ts';
import type { Call } from '../../calls/contract/call.ts';
import { kindOf } from '../../calls/contract/check-declaration.ts';
import { declareCall } from '../../calls/contract/declaration.ts';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import type { Place } from '../../calls/contract/kind.ts';
import { recordingContext } from './engines.ts';
import { nastyValues } from './nasty.ts';

const allowance: PipelineAllowance = { hostJobs: false, mounts: ['/srv'], hostNetwork: false, engines: [], secrets: ['TOKEN'] };
const place: Place = {
  path: (relative) => (relative === '.' ? '/base' : relative.startsWith('/') ? relative : `/base/${relative.replace(/^\.\//, '')}`),
  read: async (file) => `text of ${file}`,
  pipelines: allowance,
};

function declare(declaration: Readonly<Record<string, unknown>>): Call {
  const kind = kindOf(declaration, kinds);
  if (kind === undefined) throw new Error('no kind');
  return declareCall('it', declaration, { kind, place, graceMs: 700 });
}

async function specOf(declaration: Readonly<Record<string, unknown>>, params: Readonly<Record<string, string>> = {}) {
  const { asked, context } = recordingContext(params);
  await declare(declaration).body(context);
  expect(asked).to.have.length(1);
  return asked[0]!.spec;
}

describe('declared calls', () => {
  it('have what all kinds have in common, in exact units', () => {
    const { body, ...call } = declare({
      summary: 'Does it', params: [{ name: 'a' }], scope: 'admin', timeout: '2m', stop: { signal: 'SIGINT', grace: '3s' }, process: ['true'],
    });
    expect(body).to.be.a('function');
    expect(call).to.deep.equal({
      name: 'it', kind: 'process', summary: 'Does it', params: [{ name: 'a' }], needs: ['process'], scope: 'admin', timeoutMs: 120_000,
      stop: { signal: 'SIGINT', graceMs: 3_000 },
    });
  });

  it('stop by SIGTERM and the configured grace when they do not say otherwise', () => {
    expect(declare({ process: ['true'] }).stop).to.deep.equal({ signal: 'SIGTERM', graceMs: 700 });
    expect(declare({ process: ['true'], stop: { grace: 0 } }).stop.graceMs).to.equal(0);
    expect(declare({ process: ['true'] })).not.to.have.property('timeoutMs');
  });

  it('end as their engine says', async () => {
    const { context } = recordingContext({}, { exit: { signal: 'SIGKILL', oomKilled: true } });
    expect(await declare({ container: { image: 'x' } }).body(context)).to.deep.equal({ signal: 'SIGKILL', oomKilled: true });
  });

  for (const value of nastyValues) {
    it(`hand ${JSON.stringify(value)} to a program as one argument, untouched`, async () => {
      const params = { who: value, other: 'NOT ME' };
      expect(await specOf({ process: ['prog', '-x', '${who}', 'a ${who} b'], env: { WHO: '${who}' } }, params)).to.deep.equal({
        argv: ['prog', '-x', value, `a ${value} b`], env: { WHO: value }, cwd: '/base',
      });
      expect(await specOf({ terminal: ['prog', '${who}'] }, params)).to.deep.include({ argv: ['prog', value] });
      expect(await specOf({ container: { image: 'img', entrypoint: ['e', '${who}'], command: ['${who}'], env: { WHO: '${who}' } } }, params))
        .to.deep.equal({ image: 'img', entrypoint: ['e', value], command: [value], env: { WHO: value } });
    });
  }
});

describe('the kind process', () => {
  it('hands over everything it was declared with', async () => {
    expect(await specOf({ process: ['ls', '$${x}'], env: { A: 'b' }, cwd: 'sub', umask: '027', uid: 5, gid: 6 })).to.deep.equal({
      argv: ['ls', '${x}'], env: { A: 'b' }, cwd: '/base/sub', umask: 0o27, uid: 5, gid: 6,
    });
  });

  it('works in the folder of the configuration unless told otherwise', async () => {
    expect(await specOf({ process: ['pwd'] })).to.deep.equal({ argv: ['pwd'], cwd: '/base' });
  });

  it('takes a program with a slash for a file beside the configuration, and a bare name for one in PATH', async () => {
    expect(await specOf({ process: ['./tool', 'x/y'] })).to.deep.include({ argv: ['/base/tool', 'x/y'] });
    expect(await specOf({ process: ['/bin/ls'] })).to.deep.include({ argv: ['/bin/ls'] });
  });
});

describe('the kind terminal', () => {
  const declaration = { terminal: ['bash', '-l'], cols: 100, rows: 30 };

  it('has the size it was declared with, or the one terminals always had', async () => {
    expect(await specOf(declaration)).to.deep.equal({ argv: ['bash', '-l'], cwd: '/base', cols: 100, rows: 30 });
    expect(await specOf({ terminal: ['bash'] })).to.deep.include({ cols: 80, rows: 24 });
  });

  it('has the size of the caller, when there is one', async () => {
    const { asked, context } = recordingContext({}, { terminal: { cols: 132, rows: 43 } });
    await declare(declaration).body(context);
    expect(asked[0]?.spec).to.deep.include({ cols: 132, rows: 43 });
  });
});

describe('the kind container', () => {
  it('hands over everything it was declared with, in exact units', async () => {
    expect(await specOf({
      container: {
        image: 'tool:${tag}', command: ['run'], entrypoint: ['/init'], env: { A: 'b' }, volumes: ['./in:/in:ro', '/srv:/srv', 'cache:/cache'], network: 'none',
        memory: '64m', cpus: 0.5, pids: 64, user: '1000:1000', readOnly: true, workdir: '/in', pull: 'never',
      },
    }, { tag: '1.2' })).to.deep.equal({
      image: 'tool:1.2', command: ['run'], entrypoint: ['/init'], env: { A: 'b' }, volumes: ['/base/in:/in:ro', '/srv:/srv', 'cache:/cache'], network: 'none',
      memoryBytes: 64 << 20, cpus: 0.5, pidsMax: 64, user: '1000:1000', readOnly: true, workdir: '/in', pull: 'never',
    });
  });

  it('leaves out what was not declared', async () => {
    expect(await specOf({ container: { image: 'busybox' } })).to.deep.equal({ image: 'busybox' });
  });
});

describe('the kind pipeline', () => {
  it('takes a text for the file, and hands over what stands in it when the run begins', async () => {
    expect(await specOf({ pipeline: 'release.yaml' })).to.deep.equal({
      text: 'text of /base/release.yaml', file: 'release.yaml', folder: '/base', workspace: { from: 'nowhere' }, allow: allowance, variables: {},
    });
  });

  it('hands over everything it was declared with, and params under their own names', async () => {
    expect(await specOf({ pipeline: { file: 'ci/release.yaml', workspace: './src', variables: { TAG: 'v${version}', kept: '$${x}' } } }, { version: '1.2', kept: 'no' })).to.deep.equal({
      text: 'text of /base/ci/release.yaml', file: 'ci/release.yaml', folder: '/base/ci/', workspace: { from: 'folder', path: '/base/src' }, allow: allowance,
      variables: { version: '1.2', TAG: 'v1.2', kept: '${x}' },
    });
  });

  for (const value of nastyValues) {
    it(`hands ${JSON.stringify(value)} over as the value of a variable, untouched`, async () => {
      expect(await specOf({ pipeline: { file: 'x', variables: { WHO: 'a ${who}' } } }, { who: value })).to.deep.include({ variables: { who: value, WHO: `a ${value}` } });
    });
  }
});
