// Tests stand-alone clients of the pin daemon: the documented classes in Python and Go, and the newer command line.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { PinEvent } from '../../server/compat/pin/events/event.ts';
import { busybox, type PinGateway, runProgram, startPinGateway, twoJobs } from '../helpers/compat/pin-gateway.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

type PrintedEvent = Partial<PinEvent> & {
  readonly health?: string;
  readonly triggered?: string;
  readonly uptime?: string;
  readonly clients?: number;
};

function parseJsonLines(text: string): readonly PrintedEvent[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as PrintedEvent);
}

/** The events that every documented class must receive for `twoJobs`, in this order. */
function expectEvents(printed: readonly PrintedEvent[]): void {
  const id = printed.find(({ triggered }) => triggered !== undefined)?.triggered;
  const own = printed.filter(({ run_id }) => run_id === id);
  expect(own.map(({ type }) => type).filter((type) => type !== 'log')).to.deep.equal([
    'pipeline_trigger',
    'pipeline_started',
    'job_container_start',
    'job_completed',
    'job_container_start',
    'job_completed',
    'pipeline_complete',
  ]);
  const messages = own.filter(({ type }) => type === 'log').map(({ job, message }) => `${job} ${message}`);
  expect(messages).to.include.members([
    'Build hello world',
    'test out',
    'test err',
    'Build Image is available',
    'test Job ended',
  ]);
  expect(own.every(({ level, timestamp }) => typeof level === 'string' && typeof timestamp === 'string')).to.equal(
    true,
  );
}

describe('the documented Python client at the pin API', function () {
  this.timeout(120_000);
  let gateway: PinGateway;
  before(async () => {
    gateway = await startPinGateway();
  });
  after(() => gateway.stop());

  it('the Python client reads the status, triggers a run, and parses JSON in every event', async () => {
    const { code, stdout, stderr } = await runProgram(await findPython(), [
      fixture('pin-client.py'),
      gateway.pinUrl,
      await gateway.writeFile('pin.yaml', twoJobs),
    ]);
    expect(code, stderr).to.equal(0);
    const printed = parseJsonLines(stdout);
    expect(printed[0]).to.deep.equal({ health: 'healthy' });
    expect(printed[1]).to.include({ type: 'connection' });
    expectEvents(printed);
  });

  it('the Python client receives a failure', async () => {
    const file = await gateway.writeFile('fails.yaml', `workflow: [a]\na: { image: '${busybox}', script: 'exit 4' }\n`);
    const { code, stdout } = await runProgram(await findPython(), [fixture('pin-client.py'), gateway.pinUrl, file]);
    expect(code).to.equal(1);
    expect(parseJsonLines(stdout).at(-1)).to.include({
      type: 'pipeline_error',
      error: 'pipeline execution failed: command execution failed (exit code 4)',
    });
  });
});

describe('Go clients at the pin API', function () {
  this.timeout(180_000);
  let gateway: PinGateway;
  let folder: string;
  let client: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'go-'));
    client = join(folder, 'client');
    // Use a separate cache, so that no file is left behind.
    const env = { GO111MODULE: 'off', GOFLAGS: '', GOCACHE: join(folder, 'cache'), GOPATH: join(folder, 'path') };
    const { code, stderr } = await runProgram('go', ['build', '-o', client, fixture('pin-client-go/main.go')], {
      env,
      ms: 120_000,
    });
    expect(code, stderr).to.equal(0);
    gateway = await startPinGateway();
  });
  after(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('the documented Go client reads lines of at most 64 KiB', async () => {
    const { code, stdout, stderr } = await runProgram(client, [
      'class',
      gateway.pinUrl,
      await gateway.writeFile('pin.yaml', twoJobs),
    ]);
    expect(code, stderr).to.equal(0);
    const printed = parseJsonLines(stdout);
    expect(printed[0]).to.include({ health: 'healthy', clients: 0 });
    expect(printed[0]!.uptime).to.match(/^(\d+[hms] ?)+$/);
    expect(printed.find(({ triggered }) => triggered !== undefined)).to.include({
      status: 'triggered',
      message: 'Pipeline execution started',
    });
    expectEvents(printed);
  });

  it('the Go client handles a line of 200 000 bytes', async () => {
    const file = await gateway.writeFile(
      'long.yaml',
      `workflow: [a]\na: { image: '${busybox}', script: 'head -c 200000 /dev/zero | tr "\\\\0" x; echo' }\n`,
    );
    const { code, stdout, stderr } = await runProgram(client, ['class', gateway.pinUrl, file]);
    expect(code, stderr).to.equal(0);
    const pieces = parseJsonLines(stdout).filter(({ message, type }) => type === 'log' && /^x+$/.test(message!));
    expect(pieces.length).to.be.within(4, 5);
    expect(pieces.reduce((sum, { message }) => sum + message!.length, 0)).to.equal(200_000);
  });

  it('the newer command line uses its token, watches a run and reads its history', async () => {
    process.env['PIN_TEST_TOKEN'] = 'open sesame';
    const protectedGateway = await startPinGateway('token: { variable: PIN_TEST_TOKEN }');
    try {
      const base = `${protectedGateway.pinUrl}/named`;
      const file = await protectedGateway.writeFile('pin.yaml', twoJobs);
      const { code, stdout, stderr } = await runProgram(client, ['cli', base, file, 'open sesame']);
      expect(code, stderr).to.equal(0);
      const id = /^Run ID: (\S+)$/m.exec(stdout)![1]!;
      expect(stdout).to.contain(`Pipeline accepted by ${base}\n`);
      expect(stdout)
        .to.contain(`[log] run=${id} job=Build level=info hello world\n`)
        .and.contain(`[pipeline_complete] run=${id} job= level=info Pipeline execution completed successfully\n`);
      expect(stdout)
        .to.contain(`${id}\tsuccess\thttp_endpoint\t\n`)
        .and.match(/ \[stderr\] \[test\] err\n/);
      const rejection = await runProgram(client, ['cli', base, file, 'wrong']);
      expect(rejection.code).to.equal(1);
      expect(rejection.stderr).to.contain('401');
    } finally {
      delete process.env['PIN_TEST_TOKEN'];
      await protectedGateway.stop();
    }
  });
});

/** Returns a Python interpreter that has the package `requests`. */
async function findPython(): Promise<string> {
  for (const name of ['/usr/bin/python3', 'python3']) {
    const result = await runProgram(name, ['-c', 'import requests']).catch(() => undefined);
    if (result?.code === 0) return name;
  }
  throw new Error('these tests need Python with requests: install the package python3-requests');
}
