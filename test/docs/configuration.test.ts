// Compares the tables of docs/configuration.md and docs/calls.md with the code, and loads their examples.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { containerKeys } from '../../calls/container.ts';
import type { JsonSchema } from '../../calls/contract/call.ts';
import type { PipelinePermissions } from '../../calls/contract/engines.ts';
import { commonKeys, paramKeys, stopKeys } from '../../calls/declare/declaration.ts';
import { concurrencyKeys, defaultQueue, disconnectKeys, retentionKeys } from '../../calls/declare/policies.ts';
import { pipelineKeys } from '../../calls/pipeline.ts';
import { optionDefaults } from '../../calls/pipeline-options.ts';
import { pipelineRunCall } from '../../calls/pipeline-run.ts';
import { processKind } from '../../calls/process.ts';
import { terminalKind } from '../../calls/terminal.ts';
import { formatDiagnostics } from '../../calls/text/format-diagnostics.ts';
import { formatDuration, formatSize, parseSize } from '../../calls/text/units.ts';
import type { LimitUnit } from '../../protocol/limits.ts';
import { limits } from '../../protocol/limits.ts';
import { defaults } from '../../server/config/build-config.ts';
import { loadConfig } from '../../server/config/load/load.ts';
import { configBytesMax } from '../../server/config/load/read-file.ts';
import { restartKeys } from '../../server/config/reload/restart-keys.ts';
import { defaultListen } from '../../server/config/schema/listen.ts';
import { githubKeys, pinDefaults, pinKeys } from '../../server/config/schema/pin.ts';
import { secretKeys } from '../../server/config/schema/pipelines.ts';
import { plannedKeys } from '../../server/config/schema/planned-keys.ts';
import { topKeys } from '../../server/config/schema/schema.ts';

const readDocument = (name: string): Promise<string> =>
  readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** Returns the rows of the table whose first column has this title, as cells without code marks. */
function readColumns(text: string, title: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  if (start === -1) throw new Error(`there is no table of "${title}"`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
  );
}

/** Returns the paths of the keys of the file, such as `http.api`; of `limits` and `pin` only the key itself. */
function listKeyPaths(keys: Readonly<Record<string, JsonSchema>>): readonly string[] {
  return Object.entries(keys).flatMap(([key, schema]) => {
    const childProperties = schema['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
    return childProperties === undefined || ['limits', 'pin'].includes(key)
      ? [key]
      : listKeyPaths(childProperties).map((path) => `${key}.${path}`);
  });
}

function formatLimit(amount: number, unit: LimitUnit): string {
  switch (unit) {
    case 'ms':
      return formatDuration(amount);
    case 'bytes':
      return formatSize(amount);
    default:
      return String(amount);
  }
}

function findYamlBlocks(text: string): readonly string[] {
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
}

describe('docs/configuration.md', () => {
  let text: string;
  before(async () => {
    text = await readDocument('configuration.md');
  });

  it('the configuration page lists every key of the file', () => {
    expect(readColumns(text, 'key').map(([key]) => key)).to.deep.equal(listKeyPaths(topKeys));
  });

  it('the configuration page lists every key of a system', () => {
    const { properties } = topKeys.systems.items as { properties?: object };
    expect(readColumns(text, 'system key').map(([key]) => key)).to.deep.equal(Object.keys(properties ?? {}));
  });

  for (const [title, keys] of [
    ['secret', secretKeys],
    ['pin', pinKeys],
    ['github', githubKeys],
  ] as const) {
    it(`the configuration page lists every ${title} key`, () => {
      expect(readColumns(text, `${title} key`).map(([key]) => key)).to.deep.equal(Object.keys(keys));
    });
  }

  it('the configuration page shows the defaults of the pin API', () => {
    const shown = new Map(
      [...readColumns(text, 'pin key'), ...readColumns(text, 'github key')].map(([key, value]) => [key, value]),
    );
    expect(Object.keys(pinDefaults).map((key) => shown.get(key))).to.deep.equal(Object.values(pinDefaults).map(String));
  });

  it('the configuration page shows the defaults', () => {
    const shown = new Map(readColumns(text, 'key').map(([key, value]) => [key, value]));
    expect(shown.get('http.listen')).to.equal(defaultListen);
    expect(shown.get('data')).to.equal(defaults.data);
    expect(['age', 'runs', 'bytes'].map((key) => shown.get(`retention.${key}`))).to.deep.equal(
      Object.values(defaults.retention).map(String),
    );
    expect(shown.get('shutdown.grace')).to.equal(defaults.shutdown.grace);
    expect(shown.get('docker.host')).to.equal(defaults.dockerHost);
    expect(shown.get('environment')).to.equal(`[${defaults.environment.join(', ')}]`);
  });

  it('the configuration page marks the keys that need a restart', () => {
    const marked = [
      ...readColumns(text, 'key')
        .filter(([, , effect]) => effect === 'restart')
        .map(([key]) => key),
      ...readColumns(text, 'limit')
        .filter(([, , , , effect]) => effect === 'restart')
        .map(([name]) => `limits.${name}`),
    ];
    expect(marked).to.have.members(Object.keys(restartKeys));
  });

  it('the configuration page shows the table of limits', () => {
    expect(
      readColumns(text, 'limit').map(([name, value, least, unit, , summary]) => [name, value, least, unit, summary]),
    ).to.deep.equal(
      Object.entries(limits).map(([name, limit]) => [
        name,
        formatLimit(limit.default, limit.unit),
        formatLimit(limit.min, limit.unit),
        limit.unit,
        limit.summary,
      ]),
    );
  });

  it('the configuration page names the planned keys and the maximum file size', () => {
    for (const key of Object.values(plannedKeys).flat()) expect(text).to.contain(`\`${key}\``);
    expect(configBytesMax).to.equal(parseSize('1m'));
  });
});

describe('docs/calls.md', () => {
  for (const [title, keys] of [
    ['common', commonKeys],
    ['param', paramKeys],
    ['stop', stopKeys],
    ['disconnect', disconnectKeys],
    ['concurrency', concurrencyKeys],
    ['retention', retentionKeys],
    ['process', processKind.keys],
    ['terminal', terminalKind.keys],
    ['container', containerKeys],
    ['pipeline', pipelineKeys],
  ] as const) {
    it(`the page about calls lists every ${title} key`, async () => {
      expect(readColumns(await readDocument('calls.md'), `${title} key`).map(([key]) => key)).to.deep.equal(
        Object.keys(keys),
      );
    });
  }

  it('the page about calls lists the parameters and options of pipeline.run with their defaults', async () => {
    const text = await readDocument('calls.md');
    const { params, concurrency } = pipelineRunCall({
      allow: {} as PipelinePermissions,
      workspaces: [],
      plan: () => ({ diagnostics: [] }),
      resolveWorkspace: async (folder) => folder,
      stop: { signal: 'SIGTERM', graceMs: 0 },
    });
    expect(readColumns(text, 'parameter of pipeline.run').map(([name, value]) => [name, value])).to.deep.equal(
      params.map((param) => [param.name, param.default ?? 'required']),
    );
    expect(readColumns(text, 'option of pipeline.run').map(([name, value]) => [name, value])).to.deep.equal(
      Object.entries(optionDefaults).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    );
    expect(concurrency).to.deep.equal({ limit: 8, queue: 100 });
    expect(text.replaceAll(/\s+/g, ' ')).to.contain(
      'At most eight of them are active at once, and up to a hundred more wait.',
    );
  });

  it('the page about calls shows the default length of the queue', async () => {
    expect(
      readColumns(await readDocument('calls.md'), 'concurrency key').find(([key]) => key === 'queue')?.[1],
    ).to.equal(String(defaultQueue));
  });

  it('the page about calls names every stop signal', async () => {
    expect(readColumns(await readDocument('calls.md'), 'stop key')[0]?.[2]).to.equal(
      `one of ${stopKeys.signal.enum.join(', ')}`,
    );
  });
});

describe('examples of the configuration in the documents', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'distillery-docs-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Loads a configuration; throws if it has a diagnostic. */
  async function load(text: string) {
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, text);
    const loaded = await loadConfig(file);
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
    return loaded.config;
  }

  for (const name of ['configuration.md', 'calls.md']) {
    it(`every example in ${name} is valid`, async () => {
      await mkdir(join(folder, 'pipelines'));
      await writeFile(join(folder, 'pipelines/release.yaml'), 'build: { image: busybox }');
      const blocks = findYamlBlocks(await readDocument(name));
      expect(blocks.length).to.be.greaterThan(2);
      for (const block of blocks) await load(block);
    });
  }

  it('the example module loads', async () => {
    const [, module = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(await readDocument('calls.md')) ?? [];
    const root = new URL('../../calls/', import.meta.url).href;
    await writeFile(join(folder, 'it.ts'), module.replaceAll('./calls/', root));
    expect((await load('modules: [it.ts]')).calls.map(({ name }) => name)).to.deep.equal(['archive']);
  });

  it('the example of a diagnostic is what the loader prints', async () => {
    const [, shown = ''] = /((?: {4}.*\n){4})/.exec(await readDocument('configuration.md')) ?? [];
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, `${'\n'.repeat(9)}calls:\n  greet: { process: [x],\n    tmeout: 5m }\n`);
    const loaded = await loadConfig(file);
    const printed = loaded.ok
      ? ''
      : formatDiagnostics(loaded.diagnostics).replace(file, 'distillery.yaml').replace(' }', '');
    expect(shown.replace(/^ {4}/gm, '').trimEnd()).to.equal(printed);
  });
});
