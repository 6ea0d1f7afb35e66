// Tests which calls a gateway has, for one configuration and after a reload.

import { expect } from 'chai';
import { buildCallRegistry } from '../../server/call-registry.ts';
import { pinCall, pinPermissions } from '../../server/compat/pin/call.ts';
import { loadConfig } from '../../server/config/load/load.ts';
import { permissionsFor } from '../../server/config/schema/pipelines.ts';
import { inFolder } from '../helpers/config/config-folder.ts';
import { startTestGateway } from '../helpers/gateway/test-gateway.ts';

const callNames = (registry: { list(): readonly { readonly name: string }[] }): readonly string[] =>
  registry.list().map(({ name }) => name);

describe('the calls of a gateway', () => {
  it('a gateway has the declared calls and pipeline.run', () =>
    inFolder(async ({ load }) => {
      const { registry, all } = buildCallRegistry(await load('calls: { a: { process: [x] } }'));
      expect([callNames(registry), callNames(all)]).to.deep.equal([
        ['a', 'pipeline.run'],
        ['a', 'pipeline.run'],
      ]);
    }));

  it('the pin API adds a call that can use the secrets whose configuration names it', () =>
    inFolder(async ({ load }) => {
      const config = await load(
        'compat: { pin: {} }\nsecrets: { A: { variable: A }, B: { variable: B, calls: [pin] } }',
      );
      const { secrets } = permissionsFor('pin', config, { declared: false });
      const { registry, all } = buildCallRegistry(config, [pinCall(config.compat.pin!, config.http.host, secrets)]);
      expect([callNames(registry), callNames(all)]).to.deep.equal([['pipeline.run'], ['pipeline.run', 'pin']]);
      expect(pinPermissions(config.compat.pin!, config.http.host, secrets)).to.deep.equal({
        hostJobs: false,
        mounts: [],
        hostNetwork: false,
        engines: [],
        secrets: ['B'],
      });
    }));

  it('the call of the pin API exists while the API is open, even if the configuration declares the same name', () =>
    inFolder(async ({ load }) => {
      const { compat } = await load('compat: { pin: {} }');
      const config = await load('calls: { pin: { process: [x] } }');
      const { registry, all } = buildCallRegistry(config, [pinCall(compat.pin!, config.http.host)]);
      expect([callNames(registry), all.get('pin')?.kind]).to.deep.equal([['pipeline.run'], 'pipeline']);
    }));

  it('the calls of a gateway follow its configuration at a reload', async () => {
    const gateway = await startTestGateway('');
    try {
      const loaded = await loadConfig(`${gateway.folder}/distillery.yaml`);
      if (!loaded.ok) throw new Error('the configuration is not valid');
      expect(await gateway.getJson('/api/v1/http/calls')).to.have.length(1);
      gateway.gateway.reload({ ...loaded.config, pipelines: { ...loaded.config.pipelines, run: false } });
      expect(await gateway.getJson('/api/v1/http/calls')).to.deep.equal([]);
    } finally {
      await gateway.stop();
    }
  });
});
