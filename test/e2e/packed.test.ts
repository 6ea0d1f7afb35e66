// Packs the product with `npm pack` and installs the tarball as another user, who runs a call and a pipeline.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));
const otherUserId = 65_534;

const yaml = `
http: { api: true, listen: "127.0.0.1:0" }
data: data
shutdown: { grace: 0s }
pipelines: { hostJobs: true }
modules: [calls.ts]
calls:
  whoami: { process: [id, -u] }
`;
const module = `
import { defineCall, type Context } from 'distillery-gateway/calls';
export default defineCall({
  name: 'coded',
  run: ({ engines }: Context) => engines.process({ argv: ['echo', 'from TypeScript'] }),
});
`;
const pipeline = `
workflow: [one, two]
one: { host: true, outputs: [WORD], script: 'echo "WORD=found" >> "$DISTILLERY_OUTPUT"' }
two: { host: true, script: 'echo "second $WORD"' }
`;

describe('the packed product', function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    // Let the other user pass through the folder for temporary files, which only the current user may enter.
    await chmod(tmpdir(), 0o711);
    folder = await mkdtemp(join(tmpdir(), 'packed-'));
    await chmod(folder, 0o755);
    await npm(['pack', '--silent', '--pack-destination', folder], root);
    const home = join(folder, 'home');
    await mkdir(home);
    if (isRoot()) await chown(home, otherUserId, otherUserId);
    const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await asOtherUser('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', join(folder, tarball!)]);
    for (const [name, text] of [
      ['distillery.yaml', yaml],
      ['calls.ts', module],
      ['pipeline.yaml', pipeline],
    ] as const)
      await writeFile(join(home, name), text);
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
    await chmod(tmpdir(), 0o700);
  });

  const isRoot = (): boolean => process.getuid!() === 0;

  async function npm(args: readonly string[], cwd: string): Promise<string> {
    return (await promisify(execFile)('npm', args, { cwd })).stdout;
  }

  /**
   * Returns a command line that runs a program as another user in that user's folder. Without root, the other user is
   * the current user.
   */
  function otherUser(program: string, args: readonly string[]) {
    const user = [`--reuid=${otherUserId}`, `--regid=${otherUserId}`, '--clear-groups', '--'];
    const command = isRoot() ? ['setpriv', ...user, program, ...args] : [program, ...args];
    const home = join(folder, 'home');
    const env = { PATH: process.env['PATH'], HOME: home, TMPDIR: home, LOG_LEVEL: 'warn' };
    return { file: command[0]!, args: command.slice(1), options: { cwd: home, env } };
  }

  async function asOtherUser(program: string, programArgs: readonly string[]) {
    const { file, args, options } = otherUser(program, programArgs);
    return promisify(execFile)(file, args, options);
  }

  const distillery = () => join(folder, 'home/node_modules/.bin/distillery');

  it('the tarball contains the build, but no tests or sources', async () => {
    const installed = join(folder, 'home/node_modules/distillery-gateway');
    expect((await readdir(installed)).sort()).to.deep.equal(['LICENSE', 'README.md', 'dist', 'package.json', 'server']);
    expect(await readdir(join(installed, 'server'))).to.deep.equal(['bin.js']);
    const names = await readdir(join(installed, 'dist'), { recursive: true });
    expect(names.filter((name) => /(?<!\.d)\.ts$|test/.test(name))).to.deep.equal([]);
  });

  it('the installed product serves a call, a TypeScript call and a pipeline without errors', async () => {
    const { file, args, options } = otherUser(distillery(), ['serve']);
    const gateway = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    gateway.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    try {
      const [first] = (await once(gateway.stdout, 'data')) as [Buffer];
      const url = /^listening on (\S+)\n$/.exec(String(first))?.[1];
      expect(url, stderr).to.be.a('string');
      const run = async (...command: readonly string[]) =>
        (await asOtherUser(distillery(), [...command, '--quiet', '--url', url!])).stdout;
      expect(await run('call', 'whoami')).to.equal(`${isRoot() ? otherUserId : process.getuid!()}\n`);
      expect(await run('call', 'coded')).to.equal('from TypeScript\n');
      expect(await run('run', 'pipeline.yaml')).to.equal('[two] second found\n');
    } finally {
      gateway.kill('SIGTERM');
      await once(gateway, 'close');
    }
    expect([gateway.exitCode, stderr]).to.deep.equal([0, '']);
  });
});
