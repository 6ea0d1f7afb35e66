// Pipelines of declared calls, looked at with the configuration: by somebody who finds every line odd that says so.

import { expect } from 'chai';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import type { CheckPipeline } from '../../calls/contract/pipeline-complaint.ts';
import { formatProblem, formatProblems } from '../../server/config/format.ts';
import { loadConfig } from '../../server/config/load.ts';
import { configBytesMax } from '../../server/config/read.ts';
import { watchConfig, type Change } from '../../server/config/watch.ts';
import { recordingContext } from '../calls/engines.ts';
import { inFolder, type Folder } from './folder.ts';

const checkPipeline: CheckPipeline = (text) => text.split('\n').flatMap((line, at) => ['error', 'warning'].flatMap((word) => (line.includes(word)
  ? [{ severity: word as 'error' | 'warning', message: 'is odd', job: 'build', field: 'image', line: at + 1, column: line.indexOf(word) + 1, suggestions: ['leave it out'] }] : [])));

async function problemsOf({ path, file, write }: Folder, yaml: string): Promise<readonly string[]> {
  await write('distillery.yaml', yaml);
  const loaded = await loadConfig(file, { checkPipeline });
  const found = loaded.ok ? loaded.warnings.map((warning) => `warning ${formatProblem(warning)}`) : loaded.problems.map(formatProblem);
  return found.map((line) => line.replaceAll(`${path}/`, ''));
}

describe('the pipelines of a configuration', () => {
  it('are checked with it: their mistakes stand in their own file, after those of the configuration', () => inFolder(async (folder) => {
    await mkdir(join(folder.path, 'ci'));
    await folder.write('ci/b.yaml', 'fine\n  an error here\n');
    await folder.write('a.yaml', 'error\nwarning\nerror\n');
    expect(await problemsOf(folder, 'calls:\n  b: { pipeline: ci/b.yaml }\n  a: { pipeline: { file: ./a.yaml }, tmeout: 5m }\n')).to.deep.equal([
      'distillery.yaml:3:38: calls.a: unknown key "tmeout"; did you mean "timeout"?',
      'ci/b.yaml:2:6: build.image: is odd; leave it out',
      'a.yaml:1:1: build.image: is odd; leave it out',
      'a.yaml:3:1: build.image: is odd; leave it out',
    ]);
  }));

  it('show the line of their own file', () => inFolder(async ({ write, file }) => {
    await write('a.yaml', 'fine\r\n  an error here\r\n');
    const loaded = await loadConfig(await write('distillery.yaml', 'calls: { a: { pipeline: a.yaml } }'), { checkPipeline });
    const printed = loaded.ok ? '' : formatProblems(loaded.problems);
    expect(printed.split('\n').slice(1)).to.deep.equal(['      an error here', '         ^']);
    expect(printed).to.contain(file.replace('distillery.yaml', 'a.yaml:2:6:'));
  }));

  it('are told of once, whoever names them, and their warnings keep nothing from being used', () => inFolder(async (folder) => {
    await folder.write('a.yaml', 'a warning\n');
    expect(await problemsOf(folder, 'calls: { a: { pipeline: a.yaml }, b: { pipeline: a.yaml } }')).to.deep.equal(['warning a.yaml:1:3: build.image: is odd; leave it out']);
  }));

  it('are checked for what their call may do', () => inFolder(async ({ write }) => {
    const asked: PipelineAllowance[] = [];
    await write('a.yaml', '');
    const file = await write('distillery.yaml', 'pipelines: { hostJobs: true, mounts: [data] }\nsecrets: { A: { variable: A }, B: { variable: B, calls: [b] } }\ncalls: { a: { pipeline: a.yaml } }');
    await loadConfig(file, { checkPipeline: (_text, allow) => { asked.push(allow); return []; } });
    expect(asked).to.deep.equal([{ hostJobs: true, mounts: [file.replace('distillery.yaml', 'data')], hostNetwork: false, engines: [], secrets: ['A'] }]);
  }));

  it('are a problem of the configuration when they cannot be read', () => inFolder(async (folder) => {
    await folder.write('large.yaml', '#'.repeat(configBytesMax + 1));
    await mkdir(join(folder.path, 'ci'));
    expect(await problemsOf(folder, 'calls:\n  a: { pipeline: large.yaml }\n  b: { pipeline: ci }\n  c: { pipeline: ../no.yaml }\n')).to.deep.equal([
      'distillery.yaml:2:18: calls.a.pipeline: "large.yaml" is larger than 1m; is this the right file?',
      'distillery.yaml:3:18: calls.b.pipeline: "ci" is a folder, not a file',
      'distillery.yaml:4:18: calls.c.pipeline: there is no file "../no.yaml" beside the configuration',
    ]);
  }));

  it('pass over what is of the wrong shape', () => inFolder(async (folder) => {
    await folder.write('a.yaml', '');
    expect(await problemsOf(folder, 'pipelines: { mounts: [1], engines: 3 }\nsecrets: { A: { file: 3, calls: x } }\ncalls: { a: { pipeline: a.yaml } }')).to.have.length(4);
  }));

  it('are read anew for each run', () => inFolder(async ({ write, load }) => {
    await write('a.yaml', 'before');
    const { calls: [call] } = await load('calls: { a: { pipeline: a.yaml } }');
    const { asked, context } = recordingContext({});
    await call!.body(context);
    await write('a.yaml', 'after');
    await call!.body(context);
    expect(asked.map(({ spec }) => (spec as { text: string }).text)).to.deep.equal(['before', 'after']);
  }));

  it('fail the run that cannot read them any more, and name no folder', () => inFolder(async ({ write, load, path }) => {
    await write('a.yaml', '');
    const { calls: [call] } = await load('calls: { a: { pipeline: a.yaml } }');
    const { rename } = await import('node:fs/promises');
    await rename(join(path, 'a.yaml'), join(path, 'b.yaml'));
    const failure = await call!.body(recordingContext({}).context).catch((error: unknown) => error);
    expect(failure).to.include({ name: 'WorkFailed', message: 'the pipeline a.yaml is not there any more' });
  }));

  it('are checked again when the configuration is', () => inFolder(async ({ write, load, file }) => {
    await write('a.yaml', 'fine');
    const running = await load('calls: { a: { pipeline: a.yaml } }');
    const ending = new AbortController();
    try {
      const change = new Promise<Change>((resolve) => watchConfig(file, resolve, { signal: ending.signal, running, checkPipeline }));
      await write('a.yaml', 'error');
      process.kill(process.pid, 'SIGHUP');
      const told = await change;
      expect(told.ok ? [] : told.problems.map(({ message }) => message)).to.deep.equal(['is odd; leave it out']);
    } finally {
      ending.abort();
    }
  }));
});
