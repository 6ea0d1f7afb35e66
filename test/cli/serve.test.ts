// `distillery serve` and `distillery validate` as processes: what they print, how they end.

import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bin, cli, startCli } from '../helpers/cli.ts';
import type { RunningCli } from '../helpers/cli.ts';

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
  this.timeout(20_000);
  let folder: string;
  let file: string;
  const started: RunningCli[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cli-'));
    file = join(folder, 'distillery.yaml');
    await writeFile(file, yaml);
  });
  afterEach(async () => {
    for (const { child, ended } of started.splice(0)) {
      child.kill('SIGTERM');
      await ended;
    }
    await rm(folder, { recursive: true });
  });

  async function serve(args: readonly string[] = []): Promise<{ served: RunningCli; url: string }> {
    const served = startCli(['serve', ...args], { cwd: folder, env: { LOG_LEVEL: 'warn' } });
    started.push(served);
    const [, url = ''] = await served.says(/^listening on (http:\/\/\S+)\n$/);
    return { served, url };
  }

  const call = (url: string, name: string) => {
    const running = startCli(['call', name, '--url', url], { cwd: folder });
    started.push(running);
    return running;
  };

  describe('serve', () => {
    it('prints where it listens and nothing else, serves, and ends well on SIGTERM', async () => {
      const { served, url } = await serve();
      expect(await cli(['call', '-q', 'hello', '--url', url])).to.include({ code: 0, stdout: 'hello\n' });
      served.child.kill('SIGTERM');
      expect(await served.ended).to.include({ code: 0, stdout: `listening on ${url}\n` });
    });

    it('listens where --listen says', async () => {
      const { url } = await serve(['--config', file, '--listen', '[::1]:0']);
      expect(url).to.match(/^http:\/\/\[::1\]:\d+$/);
      expect((await cli(['call', 'hello', '--url', url])).code).to.equal(0);
    });

    it('tells its clients when it is stopped, and waits until they know', async () => {
      const { served, url } = await serve();
      const running = call(url, 'sleep');
      await running.says(/ready/);
      served.child.kill('SIGINT');
      const [client, server] = await Promise.all([running.ended, served.ended]);
      expect(client.stderr).to.match(/^cancelled, server is shutting down\nclean: /m);
      expect([client.code, server.code]).to.deep.equal([130, 0]);
    });

    it('skips the grace at the second signal', async () => {
      const { served, url } = await serve();
      const running = call(url, 'stubborn');
      await running.says(/ready/);
      served.child.kill('SIGTERM');
      await running.says(/cancelling/);
      // Signals in quick succession count once; so again, until it has counted.
      const again = setInterval(() => served.child.kill('SIGTERM'), 150);
      const { stderr } = await running.ended.finally(() => clearInterval(again));
      expect(stderr).to.match(/^clean: process-1 .*SIGKILL/m);
      await served.ended;
    });

    it('stops in good order when a module throws where nobody catches', async () => {
      const module = fileURLToPath(new URL('../fixtures/misbehaving-calls.ts', import.meta.url));
      await writeFile(file, `${yaml}modules: [${module}]\n`);
      const { served, url } = await serve();
      const running = call(url, 'sleep');
      await running.says(/ready/);
      call(url, 'explosive');
      const [client, server] = await Promise.all([running.ended, served.ended]);
      expect(client.stderr).to.match(/^cancelled, server is shutting down\nclean: /m);
      expect(server.code).to.equal(1);
      expect(server.stderr).to.include('a fault that nobody caught');
    });

    it('follows its file: the API is switched off while it runs, and a bad file changes nothing', async () => {
      const { served, url } = await serve();
      const status = async (): Promise<number> => (await fetch(`${url}/api/v1/http/calls`)).status;
      await writeFile(file, `${yaml}nonsense: true\n`);
      served.child.kill('SIGHUP');
      await served.says(/unknown key .*nonsense/);
      expect(await status()).to.equal(200);
      await writeFile(file, yaml.replace('api: true', 'api: false'));
      served.child.kill('SIGHUP');
      await until(async () => (await status()) === 501);
    });

    it('exits with 2 and all problems when the configuration is bad', async () => {
      await writeFile(file, 'htp: {}\ndata: 7\n');
      const { code, stderr, stdout } = await cli(['serve'], { cwd: folder });
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(/^distillery\.yaml:1:1: .*did you mean "http"/m).and.to.match(/^distillery\.yaml:2:\d+: /m);
    });

    it('exits with 2 when there is no configuration, or the address is no address', async () => {
      expect(await cli(['serve', '--config', 'none.yaml'], { cwd: folder })).to.include({ code: 2 });
      for (const listen of ['nonsense', '0.0.0.0:80', '127.0.0.1:99999']) {
        const { code, stderr } = await cli(['serve', '--listen', listen], { cwd: folder });
        expect(code).to.equal(2);
        expect(stderr).to.match(/^distillery: --listen: /).and.to.contain(listen);
      }
    });

    it('exits with 1 and the way out when the address is in use', async () => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      const { code, stderr } = await cli(['serve', '--listen', `127.0.0.1:${port}`], { cwd: folder });
      taken.close();
      expect(code).to.equal(1);
      expect(stderr).to.contain(`distillery: 127.0.0.1:${port} is in use already; --listen 127.0.0.1:0 picks a free port`);
    });
  });

  describe('validate', () => {
    it('says that a good file is good', async () => {
      expect(await cli(['validate', file])).to.include({ code: 0, stderr: '', stdout: `${file}: valid (3 calls, 0 systems, API on at 127.0.0.1:0)\n` });
    });

    it('prints every problem of a bad one, without colours on a pipe', async () => {
      await writeFile(file, 'htp: {}\ndata: 7\n');
      const { code, stdout, stderr } = await cli(['validate', file]);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr.match(/distillery\.yaml:\d+:\d+: /g)).to.have.length(2);
      expect(stderr).not.to.contain('\u001b');
    });

    it('says when there is no such file', async () => {
      expect((await cli(['validate', join(folder, 'none.yaml')])).stderr).to.match(/none\.yaml: there is no such file/);
    });
  });

  describe('as such', () => {
    it('prints version and help', async () => {
      expect((await cli(['--version'])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
      for (const args of [['--help'], ['help'], ['help', 'call'], ['call', '--help'], ['serve', '--help'], ['validate', '--help']]) {
        const { code, stdout } = await cli(args);
        expect(code, args.join(' ')).to.equal(0);
        expect(stdout, args.join(' ')).to.match(/^Usage: distillery/).and.to.contain('Example');
      }
    });

    it('suggests what may have been meant', async () => {
      expect(await cli(['cal'])).to.deep.include({ code: 2, stdout: '' });
      expect((await cli(['cal'])).stderr).to.contain('Did you mean call?');
      expect((await cli(['serve', '--confg', 'x'])).stderr).to.contain('Did you mean --config?');
    });

    it('is what npx finds in the checkout, without a network', async () => {
      const root = fileURLToPath(new URL('../..', import.meta.url));
      const child = spawn('npx', ['--offline', 'distillery', '--version'], { cwd: root, env: { ...process.env, npm_config_cache: folder } });
      let stdout = '';
      child.stdout.on('data', (text) => { stdout += String(text); });
      const [code] = await once(child, 'close');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    });

    it('works through a symlink, in a folder with a tsconfig.json of its own', async () => {
      const link = join(folder, 'distillery');
      await symlink(bin, link);
      await writeFile(join(folder, 'tsconfig.json'), '{ "compilerOptions": { "paths": { "*": ["./nowhere/*"] } } }');
      const child = spawn(link, ['validate', 'distillery.yaml'], { cwd: folder });
      let stdout = '';
      child.stdout.on('data', (text) => { stdout += String(text); });
      const [code] = await once(child, 'close');
      expect([code, stdout]).to.deep.equal([0, 'distillery.yaml: valid (3 calls, 0 systems, API on at 127.0.0.1:0)\n']);
    });
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5_000; !(await condition());) {
    if (Date.now() > deadline) throw new Error('waited too long');
  }
}
