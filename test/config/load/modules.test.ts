// Tests how modules of a configuration are compiled, imported and reported.

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { recordingContext } from '../../helpers/calls/recording-engines.ts';
import { inFolder } from '../../helpers/config/config-folder.ts';

const definitions = pathToFileURL(new URL('../../../calls/declare/define-call.ts', import.meta.url).pathname).href;
const engines = pathToFileURL(new URL('../../../calls/contract/engines.ts', import.meta.url).pathname).href;
const head = `import { defineCall } from ${JSON.stringify(definitions)};\n`;

describe('modules of a configuration', () => {
  it('modules export a call as the default export, or several as the list calls', () =>
    inFolder(async ({ load, write }) => {
      await write(
        'one.ts',
        `${head}const n: number = 7;\nexport default defineCall({ name: 'one', run: () => ({ value: n }) });`,
      );
      await write(
        'more.ts',
        `${head}export const calls = ['two', 'three'].map((name) => defineCall({ name, stop: { grace: ` +
          "'1s' }, run() {} }));",
      );
      const { calls } = await load(
        'limits: { graceMs: 4s }\nmodules: [./one.ts, more.ts]\ncalls: { zero: { process: [ls] } }',
      );
      expect(calls.map(({ name, kind, stop }) => [name, kind, stop.graceMs])).to.deep.equal([
        ['zero', 'process', 4_000],
        ['one', 'code', 4_000],
        ['two', 'code', 1_000],
        ['three', 'code', 1_000],
      ]);
      expect(await calls[1]?.body(recordingContext({}).context)).to.deep.equal({ value: 7 });
      expect(calls[1]).not.to.have.property('ownGrace');
    }));

  for (const type of ['module', 'commonjs']) {
    it(`modules are loaded again when they have changed, in a package of type ${type}`, () =>
      inFolder(async ({ load, write }) => {
        const source = (name: string) => `${head}export default defineCall({ name: '${name}', run() {} });`;
        await write('package.json', JSON.stringify({ type }));
        await write('it.ts', source('before'));
        expect((await load('modules: [it.ts]')).calls[0]?.name).to.equal('before');
        await utimes(await write('it.ts', source('after')), new Date(), new Date('2100-01-01'));
        expect((await load('modules: [it.ts]')).calls[0]?.name).to.equal('after');
      }));
  }

  for (const type of ['module', 'commonjs']) {
    it(`modules can fail a run with the gateway's WorkFailed, in a package of type ${type}`, () =>
      inFolder(async ({ load, write }) => {
        await write('package.json', JSON.stringify({ type }));
        await write(
          'it.ts',
          `${head}import { WorkFailed } from ${JSON.stringify(engines)};
        export default defineCall({ name: 'it', run() { throw new WorkFailed('no such slug'); } });`,
        );
        const [call] = (await load('modules: [it.ts]')).calls;
        const failure: unknown = await call?.body(recordingContext({}).context).catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(WorkFailed);
        expect(failure).to.have.property('message', 'no such slug');
        expect(new Error('other')).not.to.be.instanceOf(WorkFailed);
      }));
  }

  for (const [title, source, expected] of [
    ['throws', 'throw new Error("out of luck");', /the module cannot be loaded: out of luck$/],
    ['cannot be compiled', 'export const = ;', /the module cannot be loaded: .*it\.ts:1:\d+: ERROR/],
    [
      'exports nothing',
      'export const other = 1;',
      /the module exports no call; export one as default, or a list named "calls"$/,
    ],
    [
      'exports something else',
      'export const calls = [{ name: "x" }];',
      /the module exports a value that is not a call; create calls with defineCall$/,
    ],
    [
      'defines a call badly',
      `${head}export default defineCall({ name: '-x', run() {} });`,
      /the module cannot be loaded: .*"-x" is not a valid call name/,
    ],
    [
      'takes the name of a declared call',
      `${head}export default defineCall({ name: 'zero', run() {} });`,
      /the call "zero" is already declared in calls; choose another name$/,
    ],
  ] as const) {
    it(`a module is reported with its position when it ${title}`, () =>
      inFolder(async ({ diagnostics, write }) => {
        await write('it.ts', source);
        const found = await diagnostics('calls: { zero: { process: [ls] } }\nmodules: [it.ts]');
        expect(found).to.have.length(1);
        expect(found[0])
          .to.match(/^distillery\.yaml:2:11: modules\[0\]: /)
          .and.to.match(expected);
      }));
  }

  it("a module is reported when it uses the name of the pin API's call", () =>
    inFolder(async ({ diagnostics, write }) => {
      await write('it.ts', `${head}export default defineCall({ name: 'pin', run() {} });`);
      expect(await diagnostics('compat: { pin: {} }\nmodules: [it.ts]')).to.deep.equal([
        'distillery.yaml:2:11: modules[0]: the call "pin" is already declared in compat.pin; choose another name',
      ]);
    }));

  it('a module is reported when its file does not exist', () =>
    inFolder(async ({ diagnostics }) => {
      expect(await diagnostics('modules: [no.ts]')).to.deep.equal([
        'distillery.yaml:1:11: modules[0]: the module cannot be loaded: the file does not exist',
      ]);
    }));

  for (const [name, manifest] of [
    ['without package.json', undefined],
    ['of a package without a type', '{}'],
    ['of a package of type module', '{ "type": "module" }'],
    ['of a package of type commonjs', '{ "type": "commonjs" }'],
  ] as const) {
    for (const extension of ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'])
      it(`C3: modules load from a folder ${name}: .${extension}`, () =>
        inFolder(async ({ load, write }) => {
          if (manifest !== undefined) await write('package.json', manifest);
          await write('helper.ts', 'export const word: string = "from a helper";');
          await write(
            `it.${extension}`,
            `import { basename } from 'node:path';
            import { defineCall } from 'distillery-gateway/calls';
            import { word } from './helper.ts';
            export default defineCall({ name: 'it', run: () => ({ value: [word, basename(import.meta.url)] }) });`,
          );
          const [call] = (await load(`modules: [it.${extension}]`)).calls;
          const { context } = recordingContext({});
          expect(await call?.body(context)).to.deep.equal({ value: ['from a helper', `it.${extension}`] });
        }));
  }

  for (const extension of ['ts', 'mts', 'js', 'mjs', 'cjs', 'cts'])
    it(`C3: modules load from a path with spaces and other characters, outside of the project: .${extension}`, () =>
      inFolder(async ({ load, write, path }) => {
        const folder = join(path, "my module's folder #1 %20 ä");
        await mkdir(folder);
        const name = `${basename(folder)}/it's 1.${extension}`;
        await write(
          name,
          extension.startsWith('c')
            ? `const { defineCall } = require('distillery-gateway/calls');
              module.exports = { default: defineCall({ name: 'it', run: () => ({ value: __filename }) }) };`
            : `import { defineCall } from 'distillery-gateway/calls';
              export default defineCall({ name: 'it', run: () => ({ value: import.meta.filename }) });`,
        );
        const [call] = (await load(`modules: [${JSON.stringify(join(path, name))}]`)).calls;
        expect(await call?.body(recordingContext({}).context)).to.deep.equal({ value: join(path, name) });
      }));

  it('C3: modules load through links to the file and to its folder, and follow a new target', () =>
    inFolder(async ({ load, write, path }) => {
      const source = (name: string): string => `import { defineCall } from 'distillery-gateway/calls';
        import { word } from './helper.ts';
        const checked: string = word;
        export default defineCall({ name: ${JSON.stringify(name)}, run: () => ({ value: checked }) });`;
      for (const folder of ['1', '2']) {
        await mkdir(join(path, folder));
        await write(`${folder}/helper.ts`, `export const word = ${JSON.stringify(folder)};`);
        await write(`${folder}/it.ts`, source(`call-${folder}`));
      }
      await symlink(join('1', 'it.ts'), join(path, 'linked.ts'));
      await symlink('1', join(path, 'current'));
      const names = async () =>
        (await load('modules: [linked.ts]')).calls.map(({ name }) => name).join() +
        (await load('modules: [current/it.ts]')).calls.map(({ name }) => name).join();
      expect(await names()).to.equal('call-1call-1');
      for (const [link, target] of [
        ['linked.ts', '2/it.ts'],
        ['current', '2'],
      ] as const) {
        await rm(join(path, link));
        await symlink(target, join(path, link));
      }
      expect(await names()).to.equal('call-2call-2');
    }));

  it('C3: the documented example loads from a folder without package.json', () =>
    inFolder(async ({ load, write }) => {
      const document = await readFile(new URL('../../../docs/calls.md', import.meta.url), 'utf8');
      const section = document.slice(document.indexOf('## Calls in TypeScript'));
      const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(section) ?? [];
      await write('m.ts', example);
      expect((await load('modules: [m.ts]')).calls).to.have.length.greaterThan(0);
    }));

  it('modules may be written as CommonJS', () =>
    inFolder(async ({ load, write }) => {
      await write(
        'it.js',
        `'use strict';
        const { basename } = require('path');
        const { defineCall } = require('distillery-gateway/calls');
        module.exports = { calls: [defineCall({ name: 'it', run: () => ({ value: basename(__filename) }) })] };`,
      );
      await write(
        'single.cts',
        `import { defineCall } from 'distillery-gateway/calls';\nexport = defineCall({ name: 'single', run() {} });`,
      );
      const { calls } = await load('modules: [it.js, single.cts]');
      expect(calls.map(({ name }) => name)).to.deep.equal(['it', 'single']);
      expect(await calls[0]?.body(recordingContext({}).context)).to.deep.equal({ value: 'it.js' });
    }));

  it('modules receive the classes of the running gateway from distillery-gateway/calls', () =>
    inFolder(async ({ load, write }) => {
      await write(
        'it.ts',
        `import { defineCall, WorkFailed } from 'distillery-gateway/calls';
        export default defineCall({ name: 'it', run() { throw new WorkFailed('no such slug'); } });`,
      );
      const [call] = (await load('modules: [it.ts]')).calls;
      const failure: unknown = await call?.body(recordingContext({}).context).catch((error: unknown) => error);
      expect((failure as Error).constructor).to.equal(WorkFailed);
    }));

  it('modules import packages from the place where they are installed, and share one instance', () =>
    inFolder(async ({ load, write, path }) => {
      await mkdir(join(path, 'node_modules/shared-state'), { recursive: true });
      await write('node_modules/shared-state/package.json', '{ "type": "module", "exports": "./state.js" }');
      await write('node_modules/shared-state/state.js', 'export const state = { loads: 0 };');
      const source = (name: string) => `import { state } from 'shared-state';
        import { defineCall } from 'distillery-gateway/calls';
        state.loads += 1;
        export default defineCall({ name: '${name}', run: () => ({ value: state.loads }) });`;
      await write('one.ts', source('one'));
      await write('two.ts', source('two'));
      const [one] = (await load('modules: [one.ts, two.ts]')).calls;
      expect(await one?.body(recordingContext({}).context)).to.deep.equal({ value: 2 });
    }));

  it('modules run again only if their code or that of a file they import has changed', () =>
    inFolder(async ({ load, write }) => {
      await write('helper.ts', 'export const word = "before";');
      await write(
        'it.ts',
        `import { defineCall } from 'distillery-gateway/calls';
        import { word } from './helper.ts';
        const id = crypto.randomUUID();
        export default defineCall({ name: 'it', run: () => ({ value: [word, id] }) });`,
      );
      const valueOfLoad = async () => {
        const [call] = (await load('modules: [it.ts]')).calls;
        return ((await call!.body(recordingContext({}).context)) as { value: [string, string] }).value;
      };
      const first = await valueOfLoad();
      expect(await valueOfLoad()).to.deep.equal(first);
      await write('helper.ts', 'export const word = "after";');
      const [word, id] = await valueOfLoad();
      expect(word).to.equal('after');
      expect(id).not.to.equal(first[1]);
    }));

  it('modules run again at the next load if they have failed', () =>
    inFolder(async ({ load, diagnostics, write, path }) => {
      await write(
        'it.ts',
        `import { readFileSync } from 'node:fs';
        import { defineCall } from 'distillery-gateway/calls';
        const name = readFileSync(${JSON.stringify(join(path, 'name'))}, 'utf8');
        export default defineCall({ name, run() {} });`,
      );
      expect(await diagnostics('modules: [it.ts]')).to.have.length(1);
      await write('name', 'found');
      expect((await load('modules: [it.ts]')).calls[0]?.name).to.equal('found');
    }));

  for (const [kind, toImport] of [
    ['of a computed name', (target: string) => `import([${JSON.stringify(target)}].join())`],
    ['that was not found', (target: string) => `import(${JSON.stringify(target)}).catch((error) => { throw error; })`],
  ] as const)
    it(`S2: an import() ${kind} never loads a file from the temporary folder`, async () => {
      const planted = await mkdtemp(join(tmpdir(), 'planted-'));
      try {
        await writeFile(join(planted, 'it.mjs'), 'export default 1;');
        await inFolder(async ({ load, write, path }) => {
          await mkdir(join(path, 'deep'));
          const loading = toImport(`../${basename(planted)}/it.mjs`);
          await write(
            'deep/it.ts',
            `${head}export default defineCall({ name: 'it', run: () => ${loading}.then(() => {}) });`,
          );
          const [call] = (await load('modules: [deep/it.ts]')).calls;
          const result: unknown = await call!.body(recordingContext({}).context).catch((error: unknown) => error);
          expect(result).to.be.an('error');
        });
      } finally {
        await rm(planted, { recursive: true });
      }
    });

  it('S2: modules leave no compiler and no file behind, also when two configurations load at once', async () => {
    const before = await readdir(tmpdir());
    const loadOne = () =>
      inFolder(async ({ load, write }) => {
        await write('it.ts', `${head}export default defineCall({ name: 'it', run() {} });`);
        await load('modules: [it.ts]');
      });
    await Promise.all([loadOne(), loadOne(), loadOne()]);
    const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
    const commands = children
      .trim()
      .split(' ')
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
    expect((await Promise.all(commands)).filter((command) => command.includes('esbuild'))).to.deep.equal([]);
    expect(await readdir(tmpdir())).to.have.members(before);
  });
});
