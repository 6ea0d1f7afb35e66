// Tests what `validate`, the start of a gateway and /calls report about a machine on which something is missing.

import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const head = 'http: { api: true, listen: "127.0.0.1:0" }\ndata: data\nshutdown: { grace: 0s }\n';
const yaml = `${head}docker: { host: "unix:///none.sock" }
pipelines: { hostJobs: true }
secrets:
  TOKEN: { file: token }
  VARIABLE: { variable: UNSET }
  THERE: { file: there }
calls:
  good: { process: [ls] }
  program: { process: [no-such-program, x] }
  script: { process: [./script.sh] }
  folder: { process: [ls], cwd: no-such-folder }
  path: { process: [ls], env: { PATH: /none } }
  shell: { terminal: [no-such-shell] }
  container: { container: { image: busybox } }
  deploy: { pipeline: deploy.yaml }
  build: { pipeline: build.yaml }
`;
const deploy = 'workflow: [a]\na: { host: true, secrets: [TOKEN], script: ls }\n';
const build = 'workflow: [a]\na: { host: true, secrets: [THERE], script: ls }\n';

/** Hides the package node-pty from the gateway. */
const withoutPty = `const { Module } = require('node:module');
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  if (request === 'node-pty') throw new Error("Cannot find module 'node-pty'\\nRequire stack:\\n- hidden");
  return resolve.call(this, request, ...rest);
};`;

interface Listing {
  readonly name: string;
  readonly available: boolean;
  readonly reason?: string;
}

describe('a machine on which something is missing', function () {
  this.timeout(60_000);
  let folder: string;
  let served: RunningCli | undefined;
  let url: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'machine-'));
    for (const [name, text] of Object.entries({ 'distillery.yaml': yaml, 'deploy.yaml': deploy, 'build.yaml': build }))
      await writeFile(join(folder, name), text);
    await writeFile(join(folder, 'there'), 'secret');
    await writeFile(join(folder, 'script.sh'), '#!/bin/sh\n', { mode: 0o644 });
  });
  afterEach(async () => {
    served?.child.kill('SIGTERM');
    await served?.result;
    served = undefined;
    await rm(folder, { recursive: true });
  });

  async function serve(env: Readonly<Record<string, string>> = {}): Promise<RunningCli> {
    served = startCli(['serve'], { cwd: folder, env });
    [, url = ''] = await served.waitForMatch(/^listening on (http:\S+)$/m);
    return served;
  }
  async function unavailable(): Promise<Readonly<Record<string, string>>> {
    const calls = (await (await fetch(`${url}/api/v1/http/calls`)).json()) as readonly Listing[];
    return Object.fromEntries(
      calls.filter(({ available }) => !available).map(({ name, reason = '' }) => [name, reason]),
    );
  }

  it('S10: validate warns about programs, folders and secrets that are missing, with their position', async () => {
    const { code, stdout, stderr } = await runCli(['validate', 'distillery.yaml'], { cwd: folder });
    expect([code, stdout]).to.deep.equal([0, 'distillery.yaml: valid (9 calls, 0 systems, API on at 127.0.0.1:0)\n']);
    const warnings = stderr.split('\n').filter((line) => line.startsWith('distillery.yaml:'));
    // The warning about the engine is the first, because its key precedes those of the calls.
    expect(warnings.shift())
      .to.contain('docker.host: no Docker engine answers')
      .and.to.contain('container, deploy, build');
    expect(
      warnings.map((line) => line.replace(/^distillery\.yaml:\d+:\d+: /, '').replaceAll(folder, '')),
    ).to.deep.equal([
      'warning: secrets.TOKEN: the secret "TOKEN" cannot be read: the file "token" cannot be read: ENOENT',
      'warning: secrets.VARIABLE: the secret "VARIABLE" cannot be read: the variable "UNSET" is empty or not set',
      'warning: calls.program.process: cannot start "no-such-program": no such program in PATH',
      'warning: calls.script.process: cannot start "/script.sh": it is not executable',
      'warning: calls.folder.process: cannot start "ls": folder "/no-such-folder" does not exist',
      'warning: calls.path.process: cannot start "ls": no such program in PATH',
      'warning: calls.shell.terminal: cannot start "no-such-shell": no such program in PATH',
      'warning: calls.deploy.pipeline: the secret "TOKEN" cannot be read',
    ]);
  });

  it('S10: validate warns about an engine whose socket the current user may not open', async () => {
    const socket = join(folder, 'engine.sock');
    const engine = createServer().listen(socket);
    await once(engine, 'listening');
    await chmod(socket, 0o600);
    await chmod(folder, 0o755);
    await chmod(tmpdir(), 0o711);
    try {
      const file = join(folder, 'distillery.yaml');
      await writeFile(file, `docker: { host: "unix://${socket}" }\ncalls: { c: { container: { image: busybox } } }\n`);
      const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
      const { code, stderr } = await runCli(['validate', file], { cwd: '/', wrapper: user });
      expect(code).to.equal(0);
      expect(stderr).to.contain(
        `warning: docker.host: no Docker engine answers, so these calls are not available: c (`,
      );
      expect(stderr).to.contain(`${socket}: permission denied`);
    } finally {
      await chmod(tmpdir(), 0o700);
      engine.close();
    }
  });

  it('S10: a gateway logs at its start which calls and secrets are not available', async () => {
    const { waitForMatch } = await serve();
    for (const pattern of [
      /"secret":"TOKEN","msg":"the secret \\"TOKEN\\" cannot be read/,
      /"call":"program","msg":"cannot start \\"no-such-program\\": no such program in PATH/,
      /"call":"deploy","msg":"the secret/,
      /"engine":"container","calls":\["container"\],"msg":"these calls are not available: /,
    ])
      await waitForMatch(pattern);
  });

  it('S10: /calls has the reason for each call that is not available, until nothing is missing', async () => {
    await serve();
    const reasons = await unavailable();
    expect(reasons).to.include.all.keys('program', 'script', 'folder', 'path', 'shell', 'container', 'deploy');
    expect(reasons).not.to.have.property('good');
    expect(reasons['program']).to.equal('cannot start "no-such-program": no such program in PATH');
    await chmod(join(folder, 'script.sh'), 0o755);
    await mkdir(join(folder, 'no-such-folder'));
    expect(await unavailable()).not.to.have.any.keys('script', 'folder');
  });

  it('S10: after a reload, the gateway reports a new call that is not available', async () => {
    const { waitForMatch, child } = await serve();
    await writeFile(join(folder, 'distillery.yaml'), `${yaml}  later: { process: [not-yet-there] }\n`);
    child.kill('SIGHUP');
    await waitForMatch(/"call":"later","msg":"cannot start \\"not-yet-there\\"/);
  });

  it('S10: without node-pty, process calls are available and terminal calls are not', async () => {
    const preload = join(folder, 'preload.cjs');
    await writeFile(preload, withoutPty);
    await writeFile(join(folder, 'distillery.yaml'), `${head}calls: { a: { terminal: [ls] }, b: { process: [ls] } }\n`);
    const { waitForMatch } = await serve({ NODE_OPTIONS: `--require=${preload}` });
    await waitForMatch(/"engine":"terminal","calls":\["a"\],"msg":"these calls are not available: .*node-pty/);
    let reasons: Readonly<Record<string, string>> = {};
    await waitUntil('the calls are listed', async () => Object.keys((reasons = await unavailable())).includes('a'));
    expect(reasons['a']).to.contain('node-pty').and.not.to.contain('hidden');
    expect(reasons).not.to.have.property('b');
  });

  it('S9: the first line of the log names version, configuration, data folder and engine', async () => {
    await serve();
    served?.child.kill('SIGTERM');
    const { stderr } = (await served?.result)!;
    expect(JSON.parse(stderr.split('\n')[0]!)).to.deep.include({
      level: 30,
      version: '0.1.0',
      config: join(folder, 'distillery.yaml'),
      data: join(folder, 'data'),
      engine: 'unix:///none.sock',
    });
  });
});
