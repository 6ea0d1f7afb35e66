// Which calls a gateway has, of one configuration and after another.

import { expect } from 'chai';
import { loadConfig } from '../../server/config/load.ts';
import { callsOf } from '../../server/calls.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import { inFolder } from '../config/folder.ts';

const names = (registry: { list(): readonly { readonly name: string }[] }): readonly string[] => registry.list().map(({ name }) => name);

describe('the calls of a gateway', () => {
  it('are those declared, and pipeline.run', () => inFolder(async ({ load }) => {
    const { registry, all, pinAllowance } = callsOf(await load('calls: { a: { process: [x] } }'));
    expect([names(registry), names(all), pinAllowance]).to.deep.equal([['a', 'pipeline.run'], ['a', 'pipeline.run'], undefined]);
  }));

  it('have the call of the pin door only for the door, with the secrets that name it', () => inFolder(async ({ load }) => {
    const { registry, all, pinAllowance } = callsOf(await load('doors: { pin: {} }\nsecrets: { A: { variable: A }, B: { variable: B, calls: [pin] } }'));
    expect([names(registry), names(all)]).to.deep.equal([['pipeline.run'], ['pipeline.run', 'pin']]);
    expect(pinAllowance).to.deep.equal({ hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: ['B'] });
  }));

  it('leave the name to the door as long as it stays open, whatever a new file says', () => inFolder(async ({ load }) => {
    const { doors } = await load('doors: { pin: {} }');
    const { registry, all } = callsOf({ ...await load('calls: { pin: { process: [x] } }'), doors });
    expect([names(registry), all.get('pin')?.kind]).to.deep.equal([['pipeline.run'], 'pipeline']);
  }));

  it('follow the configuration while it runs', async () => {
    const gateway = await startTestGateway('');
    try {
      const loaded = await loadConfig(`${gateway.folder}/distillery.yaml`);
      if (!loaded.ok) throw new Error('it was valid before');
      expect(await gateway.getJson('/api/v1/http/calls')).to.have.length(1);
      gateway.gateway.reload({ ...loaded.config, pipelines: { ...loaded.config.pipelines, run: false } });
      expect(await gateway.getJson('/api/v1/http/calls')).to.deep.equal([]);
    } finally {
      await gateway.stop();
    }
  });
});
