import { expect } from 'chai';
import { utimes } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { WorkFailed } from '../../calls/contract/engines.ts';
import { recordingContext } from '../calls/engines.ts';
import { inFolder } from './folder.ts';

const contract = pathToFileURL(new URL('../../calls/contract/define.ts', import.meta.url).pathname).href;
const head = `import { defineCall } from ${JSON.stringify(contract)};\n`;

describe('modules of a configuration', () => {
  it('hand over calls, as default and as a list', () => inFolder(async ({ load, write }) => {
    await write('one.ts', `${head}const n: number = 7;\nexport default defineCall({ name: 'one', run: () => ({ value: n }) });`);
    await write('more.ts', `${head}export const calls = ['two', 'three'].map((name) => defineCall({ name, stop: { grace: '1s' }, run() {} }));`);
    const { calls } = await load('limits: { graceMs: 4s }\nmodules: [./one.ts, more.ts]\ncalls: { zero: { process: [ls] } }');
    expect(calls.map(({ name, kind, stop }) => [name, kind, stop.graceMs])).to.deep.equal([
      ['zero', 'process', 4_000], ['one', 'code', 4_000], ['two', 'code', 1_000], ['three', 'code', 1_000],
    ]);
    expect(await calls[1]?.body(recordingContext({}).context)).to.deep.equal({ value: 7 });
    expect(calls[1]).not.to.have.property('ownGrace');
  }));

  for (const type of ['module', 'commonjs']) {
    it(`are read again when they have changed, in a package of type ${type}`, () => inFolder(async ({ load, write }) => {
      const source = (name: string) => `${head}export default defineCall({ name: '${name}', run() {} });`;
      await write('package.json', JSON.stringify({ type }));
      await write('it.ts', source('before'));
      expect((await load('modules: [it.ts]')).calls[0]?.name).to.equal('before');
      await utimes(await write('it.ts', source('after')), new Date(), new Date(Date.now() + 5_000));
      expect((await load('modules: [it.ts]')).calls[0]?.name).to.equal('after');
    }));
  }

  for (const type of ['module', 'commonjs']) {
    it(`fail the work by the WorkFailed that everybody knows, in a package of type ${type}`, () => inFolder(async ({ load, write }) => {
      await write('package.json', JSON.stringify({ type }));
      await write('it.ts', `${head}import { WorkFailed } from ${JSON.stringify(contract.replace('define', 'engines'))};
        export default defineCall({ name: 'it', run() { throw new WorkFailed('no such slug'); } });`);
      const [call] = (await load('modules: [it.ts]')).calls;
      const failure: unknown = await call?.body(recordingContext({}).context).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(WorkFailed);
      expect(failure).to.have.property('message', 'no such slug');
      expect(new Error('other')).not.to.be.instanceOf(WorkFailed);
    }));
  }

  for (const [title, source, complaint] of [
    ['throws', 'throw new Error("out of luck");', /cannot be loaded: out of luck$/],
    ['cannot be compiled', 'export const = ;', /cannot be loaded: .*it\.ts:1:\d+: ERROR/],
    ['exports nothing', 'export const other = 1;', /exports no call; export one as default, or a list named "calls"$/],
    ['exports something else', 'export const calls = [{ name: "x" }];', /exports something that is no call; make calls with defineCall$/],
    ['defines a call badly', `${head}export default defineCall({ name: '-x', run() {} });`, /cannot be loaded: call "-x": name "-x" is not a name for a call/],
    ['takes the name of a declared call', `${head}export default defineCall({ name: 'zero', run() {} });`, /the call "zero" is declared twice, also in calls$/],
  ] as const) {
    it(`are a problem with a place when one ${title}`, () => inFolder(async ({ problems, write }) => {
      await write('it.ts', source);
      const found = await problems('calls: { zero: { process: [ls] } }\nmodules: [it.ts]');
      expect(found).to.have.length(1);
      expect(found[0]).to.match(/^distillery\.yaml:2:11: modules\[0\]: /).and.to.match(complaint);
    }));
  }

  it('are a problem when one takes the name of the call of the pin door', () => inFolder(async ({ problems, write }) => {
    await write('it.ts', `${head}export default defineCall({ name: 'pin', run() {} });`);
    expect(await problems('doors: { pin: {} }\nmodules: [it.ts]')).to.deep.equal(['distillery.yaml:2:11: modules[0]: the call "pin" is declared twice, also in doors.pin']);
  }));

  it('are a problem when one is not there', () => inFolder(async ({ problems }) => {
    expect(await problems('modules: [no.ts]')).to.deep.equal(['distillery.yaml:1:11: modules[0]: cannot be loaded: there is no such file']);
  }));
});
