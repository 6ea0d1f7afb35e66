// docs/configuration.md and docs/calls.md say what the code does: their tables are held against it, and their examples are loaded.

import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { containerKeys } from '../../calls/container.ts';
import type { JsonSchema } from '../../calls/contract/call.ts';
import type { PipelineAllowance } from '../../calls/contract/engines.ts';
import { commonKeys, paramKeys, stopKeys } from '../../calls/contract/declaration.ts';
import { concurrencyKeys, disconnectKeys, retentionKeys, usualQueue } from '../../calls/contract/policies.ts';
import { formatDuration, formatSize, parseSize } from '../../calls/contract/units.ts';
import { pipelineKeys } from '../../calls/pipeline.ts';
import { optionDefaults } from '../../calls/pipeline-options.ts';
import { pipelineRunCall } from '../../calls/pipeline-run.ts';
import { processKind } from '../../calls/process.ts';
import { terminalKind } from '../../calls/terminal.ts';
import { limits } from '../../protocol/limits.ts';
import type { LimitUnit } from '../../protocol/limits.ts';
import { defaults } from '../../server/config/build.ts';
import { formatProblems } from '../../server/config/format.ts';
import { laterKeys } from '../../server/config/later.ts';
import { defaultListen } from '../../server/config/listen.ts';
import { loadConfig } from '../../server/config/load.ts';
import { githubKeys, pinDefaults, pinKeys } from '../../server/config/pin-door.ts';
import { secretKeys } from '../../server/config/pipelines.ts';
import { configBytesMax } from '../../server/config/read.ts';
import { restartKeys } from '../../server/config/restart.ts';
import { topKeys } from '../../server/config/schema.ts';

const read = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** The table whose first column has this title: its rows, as cells without the marks of code. */
function table(text: string, title: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  if (start === -1) throw new Error(`there is no table of "${title}"`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')));
}

/** `http.api` and so on: the keys of the file, those of sections by their path. */
function keyPaths(keys: Readonly<Record<string, JsonSchema>>): readonly string[] {
  return Object.entries(keys).flatMap(([key, schema]) => {
    const held = schema['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
    return held === undefined || ['limits', 'pin'].includes(key) ? [key] : keyPaths(held).map((path) => `${key}.${path}`);
  });
}

function written(amount: number, unit: LimitUnit): string {
  switch (unit) {
    case 'ms': return formatDuration(amount);
    case 'bytes': return formatSize(amount);
    default: return String(amount);
  }
}

function yamlBlocks(text: string): readonly string[] {
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
}

describe('docs/configuration.md', () => {
  let text: string;
  before(async () => { text = await read('configuration.md'); });

  it('has every key of the file, and no other', () => {
    expect(table(text, 'key').map(([key]) => key)).to.deep.equal(keyPaths(topKeys));
  });

  it('has every key of a system, and no other', () => {
    const { properties } = topKeys.systems.items as { properties?: object };
    expect(table(text, 'system key').map(([key]) => key)).to.deep.equal(Object.keys(properties ?? {}));
  });

  for (const [title, keys] of [['secret', secretKeys], ['pin', pinKeys], ['github', githubKeys]] as const) {
    it(`has every ${title} key, and no other`, () => {
      expect(table(text, `${title} key`).map(([key]) => key)).to.deep.equal(Object.keys(keys));
    });
  }

  it('shows the defaults of the pin door', () => {
    const shown = new Map([...table(text, 'pin key'), ...table(text, 'github key')].map(([key, value]) => [key, value]));
    expect(Object.keys(pinDefaults).map((key) => shown.get(key))).to.deep.equal(Object.values(pinDefaults).map(String));
  });

  it('shows the defaults', () => {
    const shown = new Map(table(text, 'key').map(([key, value]) => [key, value]));
    expect(shown.get('http.listen')).to.equal(defaultListen);
    expect(shown.get('data')).to.equal(defaults.data);
    expect(['age', 'runs', 'bytes'].map((key) => shown.get(`retention.${key}`))).to.deep.equal(Object.values(defaults.retention).map(String));
    expect(shown.get('shutdown.grace')).to.equal(defaults.shutdown.grace);
    expect(shown.get('docker.host')).to.equal(defaults.dockerHost);
    expect(shown.get('environment')).to.equal(`[${defaults.environment.join(', ')}]`);
  });

  it('says which keys need a restart', () => {
    const marked = [
      ...table(text, 'key').filter(([, , effect]) => effect === 'restart').map(([key]) => key),
      ...table(text, 'limit').filter(([, , , , effect]) => effect === 'restart').map(([name]) => `limits.${name}`),
    ];
    expect(marked).to.have.members(Object.keys(restartKeys));
  });

  it('shows the table of limits as it is', () => {
    expect(table(text, 'limit').map(([name, value, least, unit, , summary]) => [name, value, least, unit, summary])).to.deep.equal(
      Object.entries(limits).map(([name, limit]) => [name, written(limit.default, limit.unit), written(limit.min, limit.unit), limit.unit, limit.summary]));
  });

  it('names the keys of later versions, and the size a file may have', () => {
    for (const key of Object.values(laterKeys).flat()) expect(text).to.contain(`\`${key}\``);
    expect(configBytesMax).to.equal(parseSize('1m'));
  });
});

describe('docs/calls.md', () => {
  for (const [title, keys] of [
    ['common', commonKeys], ['param', paramKeys], ['stop', stopKeys], ['disconnect', disconnectKeys], ['concurrency', concurrencyKeys], ['retention', retentionKeys],
    ['process', processKind.keys], ['terminal', terminalKind.keys], ['container', containerKeys], ['pipeline', pipelineKeys],
  ] as const) {
    it(`has every ${title} key, and no other`, async () => {
      expect(table(await read('calls.md'), `${title} key`).map(([key]) => key)).to.deep.equal(Object.keys(keys));
    });
  }

  it('has the parameters and options of pipeline.run, with their defaults', async () => {
    const text = await read('calls.md');
    const { params, concurrency } = pipelineRunCall({ allow: {} as PipelineAllowance, workspaces: [], check: () => [], inWorkspaces: async (folder) => folder, stop: { signal: 'SIGTERM', graceMs: 0 } });
    expect(table(text, 'parameter of pipeline.run').map(([name, value]) => [name, value])).to.deep.equal(params.map((param) => [param.name, param.default ?? 'required']));
    expect(table(text, 'option of pipeline.run').map(([name, value]) => [name, value])).to.deep.equal(
      Object.entries(optionDefaults).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]));
    expect(concurrency).to.deep.equal({ limit: 8, queue: 100 });
    expect(text).to.contain('At most\neight go on at once, and a hundred wait.');
  });

  it('shows how many runs may wait when the call does not say', async () => {
    expect(table(await read('calls.md'), 'concurrency key').find(([key]) => key === 'queue')?.[1]).to.equal(String(usualQueue));
  });

  it('names every stop signal', async () => {
    expect(table(await read('calls.md'), 'stop key')[0]?.[2]).to.equal(`one of ${stopKeys.signal.enum.join(', ')}`);
  });
});

describe('examples in the documents of the configuration', () => {
  let folder: string;
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'distillery-docs-')); });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Loads a configuration, and expects nothing to be wrong with it. */
  async function load(text: string) {
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, text);
    const loaded = await loadConfig(file);
    if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
    return loaded.config;
  }

  for (const name of ['configuration.md', 'calls.md']) {
    it(`are all valid in ${name}`, async () => {
      await mkdir(join(folder, 'pipelines'));
      await writeFile(join(folder, 'pipelines/release.yaml'), 'build: { image: busybox }');
      const blocks = yamlBlocks(await read(name));
      expect(blocks.length).to.be.greaterThan(2);
      for (const block of blocks) await load(block);
    });
  }

  it('include a module that loads', async () => {
    const [, module = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(await read('calls.md')) ?? [];
    const root = new URL('../../calls/', import.meta.url).href;
    await writeFile(join(folder, 'it.ts'), module.replaceAll('./calls/', root));
    expect((await load('modules: [it.ts]')).calls.map(({ name }) => name)).to.deep.equal(['archive']);
  });

  it('include a message that is what the loader prints', async () => {
    const [, shown = ''] = /((?: {4}.*\n){3})/.exec(await read('configuration.md')) ?? [];
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, `${'\n'.repeat(9)}calls:\n  greet: { process: [x],\n    tmeout: 5m }\n`);
    const loaded = await loadConfig(file);
    const printed = loaded.ok ? '' : formatProblems(loaded.problems).replace(file, 'distillery.yaml').replace(' }', '');
    expect(shown.replace(/^ {4}/gm, '').trimEnd()).to.equal(printed);
  });
});
