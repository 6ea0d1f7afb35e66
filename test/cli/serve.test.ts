// Tests `distillery serve` and `distillery validate` as processes: their output and how they end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { RunningCli } from '../helpers/cli/run-cli.ts';
import { cliPath, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const yaml = `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
calls:
  hello: { process: [echo, hello] }
  sleep: { process: [sh, -c, 'echo ready; exec sleep 60'] }
  stubborn: { process: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 60; done'], stop: { grace: 60s } }
`;

describe('the command distillery', function () {
  this.timeout(60_000);
  let folder: string;
  let file: string;
  const started: RunningCli[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cli-'));
    file = join(folder, 'distillery.yaml');
    await writeFile(file, yaml);
  });
  afterEach(async () => {
    for (const { child, result } of started.splice(0)) {
      child.kill('SIGTERM');
      await result;
    }
    await rm(folder, { recursive: true });
  });

  async function serve(args: readonly string[] = []): Promise<{ served: RunningCli; url: string }> {
    const served = startCli(['serve', ...args], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
    started.push(served);
    const [, url = ''] = await served.waitForMatch(/^listening on (http:\/\/\S+)\n$/);
    return { served, url };
  }

  const call = (url: string, name: string) => {
    const running = startCli(['call', name, '--url', url], { cwd: folder });
    started.push(running);
    return running;
  };

  describe('serve', () => {
    it('serve prints only its address on stdout, and exits with 0 on SIGTERM', async () => {
      const { served, url } = await serve();
      expect(await runCli(['call', '-q', 'hello', '--url', url])).to.include({ code: 0, stdout: 'hello\n' });
      served.child.kill('SIGTERM');
      expect(await served.result).to.include({ code: 0, stdout: `listening on ${url}\n` });
    });

    it('serve listens on the address of --listen', async () => {
      const { url } = await serve(['--config', file, '--listen', '[::1]:0']);
      expect(url).to.match(/^http:\/\/\[::1\]:\d+$/);
      expect((await runCli(['call', 'hello', '--url', url])).code).to.equal(0);
    });

    it('serve sends every client its result before it stops', async () => {
      const { served, url } = await serve();
      const running = call(url, 'sleep');
      await running.waitForMatch(/ready/);
      served.child.kill('SIGINT');
      const [client, server] = await Promise.all([running.result, served.result]);
      expect(client.stderr).to.match(/^cancelled, server is shutting down\nclean: /m);
      expect([client.code, server.code]).to.deep.equal([130, 0]);
    });

    it('serve skips the grace at the second signal', async () => {
      const { served, url } = await serve();
      const running = call(url, 'stubborn');
      await running.waitForMatch(/ready/);
      served.child.kill('SIGTERM');
      await running.waitForMatch(/cancelling/);
      // Signals in quick succession count as one, so send more until one counts.
      const again = setInterval(() => served.child.kill('SIGTERM'), 150);
      const { stderr } = await running.result.finally(() => clearInterval(again));
      expect(stderr).to.match(/^clean: process-1 .*SIGKILL/m);
      await served.result;
    });

    it('serve stops cleanly after an uncaught exception in a module', async () => {
      const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
      await writeFile(file, `${yaml}modules: [${module}]\n`);
      const { served, url } = await serve();
      const running = call(url, 'sleep');
      await running.waitForMatch(/ready/);
      call(url, 'explosive');
      const [client, server] = await Promise.all([running.result, served.result]);
      expect(client.stderr).to.match(/^cancelled, server is shutting down\nclean: /m);
      expect(server.code).to.equal(1);
      expect(server.stderr).to.include('uncaught exception');
    });

    it('serve applies a changed file that switches the API off, and ignores a file with errors', async () => {
      const { served, url } = await serve();
      const status = async (): Promise<number> => (await fetch(`${url}/api/v1/http/calls`)).status;
      await writeFile(file, `${yaml}nonsense: true\n`);
      served.child.kill('SIGHUP');
      await served.waitForMatch(/unknown key .*nonsense/);
      expect(await status()).to.equal(200);
      await writeFile(file, yaml.replace('api: true', 'api: false'));
      served.child.kill('SIGHUP');
      await waitUntil('the API is off', async () => (await status()) === 501);
    });

    it('serve exits with 2 and prints every diagnostic if the configuration is not valid', async () => {
      await writeFile(file, 'htp: {}\ndata: 7\n');
      const { code, stderr, stdout } = await runCli(['serve'], { cwd: folder });
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr)
        .to.match(/^distillery\.yaml:1:1: .*\n.*\n.*\n +hint: did you mean "http"/m)
        .and.to.match(/^distillery\.yaml:2:\d+: /m);
    });

    it('serve exits with 2 if there is no configuration or the address is not valid', async () => {
      expect(await runCli(['serve', '--config', 'none.yaml'], { cwd: folder })).to.include({ code: 2 });
      for (const listen of ['nonsense', '0.0.0.0:80', '127.0.0.1:99999']) {
        const { code, stderr } = await runCli(['serve', '--listen', listen], { cwd: folder });
        expect(code).to.equal(2);
        expect(stderr)
          .to.match(/^distillery: --listen: /)
          .and.to.contain(listen);
      }
    });

    it('serve exits with 1 and suggests a free port if the address is in use', async () => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      const { code, stderr } = await runCli(['serve', '--listen', `127.0.0.1:${port}`], { cwd: folder });
      taken.close();
      expect(code).to.equal(1);
      expect(stderr).to.contain(
        `distillery: 127.0.0.1:${port} is already in use; --listen 127.0.0.1:0 picks a free port`,
      );
    });
  });

  describe('validate', () => {
    it('validate reports that a file is valid', async () => {
      expect(await runCli(['validate', file])).to.include({
        code: 0,
        stderr: '',
        stdout: `${file}: valid (3 calls, 0 systems, API on at 127.0.0.1:0)\n`,
      });
    });

    it('validate prints every diagnostic, without colours on a pipe', async () => {
      await writeFile(file, 'htp: {}\ndata: 7\n');
      const { code, stdout, stderr } = await runCli(['validate', file]);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr.match(/distillery\.yaml:\d+:\d+: /g)).to.have.length(2);
      expect(stderr).not.to.contain('\u001b');
    });

    it('validate reports that a file does not exist', async () => {
      expect((await runCli(['validate', join(folder, 'none.yaml')])).stderr).to.match(
        /none\.yaml: error: there is no such file/,
      );
    });
  });

  describe('as a program', () => {
    it('the command prints its version and help', async () => {
      expect((await runCli(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
      for (const args of [
        ['--help'],
        ['help'],
        ['help', 'call'],
        ['call', '--help'],
        ['serve', '--help'],
        ['validate', '--help'],
      ]) {
        const { code, stdout } = await runCli(args);
        expect(code, args.join(' ')).to.equal(0);
        expect(stdout, args.join(' '))
          .to.match(/^Usage: distillery/)
          .and.to.contain('Example');
      }
    });

    it('the command suggests the closest command or option', async () => {
      expect(await runCli(['cal'])).to.deep.include({ code: 2, stdout: '' });
      expect((await runCli(['cal'])).stderr).to.contain('Did you mean call?');
      expect((await runCli(['serve', '--confg', 'x'])).stderr).to.contain('Did you mean --config?');
    });

    it('npx finds the command in the checkout, without a network', async () => {
      const root = fileURLToPath(new URL('../..', import.meta.url));
      const child = spawn('npx', ['--offline', 'distillery', '--version'], {
        cwd: root,
        env: { ...process.env, npm_config_cache: folder },
      });
      let stdout = '';
      child.stdout.on('data', (text) => {
        stdout += String(text);
      });
      const [code] = await once(child, 'close');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    });

    it('the command works through a symlink, in a folder with a tsconfig.json of its own', async () => {
      const link = join(folder, 'distillery');
      await symlink(cliPath, link);
      await writeFile(join(folder, 'tsconfig.json'), '{ "compilerOptions": { "paths": { "*": ["./nowhere/*"] } } }');
      const child = spawn(link, ['validate', 'distillery.yaml'], { cwd: folder });
      let stdout = '';
      child.stdout.on('data', (text) => {
        stdout += String(text);
      });
      const [code] = await once(child, 'close');
      expect([code, stdout]).to.deep.equal([0, 'distillery.yaml: valid (3 calls, 0 systems, API on at 127.0.0.1:0)\n']);
    });
  });
});
