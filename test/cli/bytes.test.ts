// Tests `distillery call`, `attach` and `logs` with calls that exchange bytes: files pass through unchanged.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { cliPath } from '../helpers/cli/run-cli.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { seededRandom } from '../helpers/runs/test-log.ts';

const yaml = `
limits: { segmentBytesMax: 64k }
calls:
  gz: { process: [gzip, -nc], input: bytes, output: bytes }
  hash: { process: [sha256sum], input: bytes }
  both: { process: [sh, -c, 'printf "out\\377"; printf "err\\376" >&2'], output: bytes }
  waits: { process: [sh, -c, 'printf "\\377\\376"; exec sleep 60'], output: bytes, onDisconnect: detach }
  head: { process: [sh, -c, 'head -c 3; exec 0<&-'], input: bytes, output: bytes }
`;

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

describe('the command line with calls that exchange bytes', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  const random = seededRandom(7);
  const sent = Buffer.from(Array.from({ length: 500_000 }, () => random(256)));
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());

  function run(args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<Result> {
    const child = spawn(process.execPath, [cliPath, ...args], { env: { ...process.env, DISTILLERY_URL: gateway.url } });
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk: Buffer) => output[name].push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return new Promise((resolve) =>
      child.once('close', (code) =>
        resolve({ code, stdout: Buffer.concat(output.stdout), stderr: Buffer.concat(output.stderr) }),
      ),
    );
  }

  it('call passes a file through in both directions, and attach and logs return the same bytes', async () => {
    const { stdout, code } = await run(['call', '--quiet', '--id', 'zipped', 'gz'], sent);
    expect(code).to.equal(0);
    expect(gunzipSync(stdout).equals(sent)).to.equal(true);
    for (const args of [
      ['attach', '--quiet', 'zipped'],
      ['logs', 'zipped'],
      ['logs', '--follow', 'zipped'],
    ])
      expect((await run(args)).stdout.equals(stdout), args.join(' ')).to.equal(true);
    for (const args of [
      ['attach', '--quiet', '--after', '123456', 'zipped'],
      ['logs', '--after', '123456', 'zipped'],
      ['logs', '--tail', String(stdout.length - 123_456), 'zipped'],
    ])
      expect((await run(args)).stdout.equals(stdout.subarray(123_456)), args.join(' ')).to.equal(true);
  });

  it('call adds no newline to input without one', async () => {
    const { stdout } = await run(['call', '--quiet', 'hash'], Buffer.from('no newline'));
    const hash = createHash('sha256').update('no newline').digest('hex');
    expect(String(stdout)).to.equal(`${hash}  -\n`);
  });

  it('stdout and stderr of the run go to stdout and stderr of the command', async () => {
    const called = await run(['call', '--quiet', '--id', 'both', 'both']);
    const attached = await run(['attach', '--quiet', 'both']);
    const logged = await run(['logs', 'both']);
    for (const { stdout, stderr } of [called, attached, logged])
      expect([stdout.toString('latin1'), stderr.toString('latin1')]).to.deep.equal(['out\xff', 'err\xfe']);
  });

  it('the command logs prints what an active run has stored and exits', async () => {
    await run(['call', '--detach', '--id', 'active', 'waits']);
    let logged = await run(['logs', 'active']);
    while (logged.stdout.length < 2) logged = await run(['logs', 'active']);
    expect(logged.stdout).to.deep.equal(Buffer.from([0xff, 0xfe]));
    await run(['cancel', 'active']);
  });

  it('call ends with the run, even if the run does not read all its input', async () => {
    const { stdout, code } = await run(['call', '--quiet', 'head'], sent);
    expect(code).to.equal(0);
    expect(stdout.equals(sent.subarray(0, 3))).to.equal(true);
  });
});
