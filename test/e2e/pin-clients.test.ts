// The clients of the pin daemon that are programs of their own: the documented classes in Python and Go, and the newer command line.

import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PinEvent } from '../../server/doors/pin/events/event.ts';
import { busybox, program, startPinGateway, twoJobs, type PinGateway } from './pin-gateway.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

type Said = Partial<PinEvent> & { readonly health?: string; readonly triggered?: string; readonly uptime?: string; readonly clients?: number };

function jsonLines(text: string): readonly Said[] {
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as Said);
}

/** What every documented class has to hear of `twoJobs`, in this order. */
function expectTold(said: readonly Said[]): void {
  const id = said.find(({ triggered }) => triggered !== undefined)?.triggered;
  const own = said.filter(({ run_id }) => run_id === id);
  expect(own.map(({ type }) => type).filter((type) => type !== 'log')).to.deep.equal([
    'pipeline_trigger', 'pipeline_started', 'job_container_start', 'job_completed', 'job_container_start', 'job_completed', 'pipeline_complete',
  ]);
  const messages = own.filter(({ type }) => type === 'log').map(({ job, message }) => `${job} ${message}`);
  expect(messages).to.include.members(['Build hello world', 'test out', 'test err', 'Build Image is available', 'test Job ended']);
  expect(own.every(({ level, timestamp }) => typeof level === 'string' && typeof timestamp === 'string')).to.equal(true);
}

describe('the documented Python client at the pin door', function () {
  this.timeout(120_000);
  let gateway: PinGateway;
  before(async () => { gateway = await startPinGateway(); });
  after(() => gateway.stop());

  it('asks how it is, triggers, and reads JSON in every event', async () => {
    const { code, stdout, stderr } = await program(await python(), [fixture('pin-client.py'), gateway.pin, await gateway.file('pin.yaml', twoJobs)]);
    expect(code, stderr).to.equal(0);
    const said = jsonLines(stdout);
    expect(said[0]).to.deep.equal({ health: 'healthy' });
    expect(said[1]).to.include({ type: 'connection' });
    expectTold(said);
  });

  it('hears of a failure', async () => {
    const file = await gateway.file('fails.yaml', `workflow: [a]\na: { image: '${busybox}', script: 'exit 4' }\n`);
    const { code, stdout } = await program(await python(), [fixture('pin-client.py'), gateway.pin, file]);
    expect(code).to.equal(1);
    expect(jsonLines(stdout).at(-1)).to.include({ type: 'pipeline_error', error: 'pipeline execution failed: command execution failed (exit code 4)' });
  });
});

describe('clients in Go at the pin door', function () {
  this.timeout(180_000);
  let gateway: PinGateway;
  let folder: string;
  let client: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'go-'));
    client = join(folder, 'client');
    // Its own cache: nothing is left behind.
    const env = { GO111MODULE: 'off', GOFLAGS: '', GOCACHE: join(folder, 'cache'), GOPATH: join(folder, 'path') };
    const { code, stderr } = await program('go', ['build', '-o', client, fixture('pin-client-go/main.go')], { env, ms: 120_000 });
    expect(code, stderr).to.equal(0);
    gateway = await startPinGateway();
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('as documented, read lines of at most 64 KiB', async () => {
    const { code, stdout, stderr } = await program(client, ['class', gateway.pin, await gateway.file('pin.yaml', twoJobs)]);
    expect(code, stderr).to.equal(0);
    const said = jsonLines(stdout);
    expect(said[0]).to.include({ health: 'healthy', clients: 0 });
    expect(said[0]!.uptime).to.match(/^(\d+[hms] ?)+$/);
    expect(said.find(({ triggered }) => triggered !== undefined)).to.include({ status: 'accepted', message: 'Pipeline execution started' });
    expectTold(said);
  });

  it('come through a line of 200 000 bytes', async () => {
    const file = await gateway.file('long.yaml', `workflow: [a]\na: { image: '${busybox}', script: 'head -c 200000 /dev/zero | tr "\\\\0" x; echo' }\n`);
    const { code, stdout, stderr } = await program(client, ['class', gateway.pin, file]);
    expect(code, stderr).to.equal(0);
    const pieces = jsonLines(stdout).filter(({ message, type }) => type === 'log' && /^x+$/.test(message!));
    expect(pieces.length).to.be.within(4, 5);
    expect(pieces.reduce((sum, { message }) => sum + message!.length, 0)).to.equal(200_000);
  });

  it('as the newer command line, with its token, watch a run and read its history', async () => {
    process.env['PIN_TEST_TOKEN'] = 'open sesame';
    const shut = await startPinGateway('token: { variable: PIN_TEST_TOKEN }');
    try {
      const file = await shut.file('pin.yaml', twoJobs);
      const { code, stdout, stderr } = await program(client, ['cli', shut.pin, file, 'open sesame']);
      expect(code, stderr).to.equal(0);
      const id = /^Run ID: (\S+)$/m.exec(stdout)![1]!;
      expect(stdout).to.contain(`Pipeline accepted by ${shut.pin}\n`);
      expect(stdout).to.contain(`[log] run=${id} job=Build level=info hello world\n`).and.contain(`[pipeline_complete] run=${id} job= level=info Pipeline execution completed successfully\n`);
      expect(stdout).to.contain(`${id}\tsuccess\thttp_endpoint\t\n`).and.match(/ \[stderr\] \[test\] err\n/);
      const refused = await program(client, ['cli', shut.pin, file, 'wrong']);
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.contain('401');
    } finally {
      delete process.env['PIN_TEST_TOKEN'];
      await shut.stop();
    }
  });
});

/** One that has the package requests. */
async function python(): Promise<string> {
  for (const name of ['/usr/bin/python3', 'python3']) {
    const found = await program(name, ['-c', 'import requests']).catch(() => undefined);
    if (found?.code === 0) return name;
  }
  throw new Error('these tests need Python with requests: install the package python3-requests');
}
