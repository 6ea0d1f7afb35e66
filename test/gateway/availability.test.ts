// Tests which calls are listed as available on a machine without an engine.

import { expect } from 'chai';
import { findOwnCgroup, whyUnavailable } from '../../server/process/cgroup/hierarchy.ts';
import { startTestGateway } from '../helpers/gateway/test-gateway.ts';

type Listing = readonly { readonly name: string; readonly available: boolean; readonly reason?: string }[];

/** Returns the reason why each call is not available, by name; `available` for the others. */
async function listReasons(yaml: string, written: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const gateway = await startTestGateway(`docker: { host: "unix:///no/such/engine.sock" }\n${yaml}`, written);
  try {
    const listed = (await gateway.getJson('/api/v1/http/calls')) as Listing;
    return Object.fromEntries(
      listed.map(({ name, available, reason = '' }) => [name, available ? 'available' : reason]),
    );
  } finally {
    await gateway.stop();
  }
}

const files = {
  'host.yaml': 'workflow: [a]\na: { host: true, script: echo a }\n',
  'mixed.yaml': 'workflow: [a, b]\na: { host: true, script: echo a }\nb: { image: busybox, script: echo b }\n',
};
const calls = 'calls: { host: { pipeline: host.yaml }, mixed: { pipeline: mixed.yaml } }';

describe('the availability of calls', function () {
  this.timeout(60_000);

  it('without an engine, a pipeline of host jobs is available, and one with containers is not', async () => {
    const reasons = await listReasons(`pipelines: { hostJobs: true }\n${calls}`, files);
    expect(reasons['host']).to.equal('available');
    expect(reasons['pipeline.run']).to.equal('available');
    expect(reasons['mixed']).to.contain('no Docker engine answers');
  });

  it('without an engine and without host jobs, pipeline.run is not available', async () => {
    const reasons = await listReasons('calls: { a: { process: ["true"] } }', {});
    expect(reasons['a']).to.equal('available');
    expect(reasons['pipeline.run']).to.contain('no Docker engine answers');
  });

  it('a call with limits is available exactly where processes can have them', async () => {
    const reasons = await listReasons('calls: { a: { process: ["true"], pids: 8 } }', {});
    const own = findOwnCgroup();
    const reason = 'reason' in own ? own.reason : whyUnavailable(own.folder, ['pids']);
    if (reason === undefined) expect(reasons['a']).to.equal('available');
    else expect(reasons['a']).to.contain(reason).and.contain('docs/operations.md');
  });
});
