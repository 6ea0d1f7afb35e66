// Tests how `distillery serve` ends if its data folder cannot be used.

import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CliOptions, type CliResult, runCli, startCli } from '../helpers/cli/run-cli.ts';

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

describe('the data folder of distillery serve', function () {
  this.timeout(60_000);
  let folder: string;

  // Some tests run serve as another user. That user must be able to enter the folder.
  before(() => chmod(tmpdir(), 0o711));
  after(() => chmod(tmpdir(), 0o700));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'data-'));
    await chmod(folder, 0o755);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function serve(data: string, options: CliOptions = {}): Promise<CliResult> {
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, `http: { listen: "127.0.0.1:0" }\ndata: ${data}\n`);
    return runCli(['serve', '--config', file], { cwd: '/', ...options });
  }

  /** Serves until the gateway listens, so that the data folder is complete. */
  async function serveOnce(data: string): Promise<void> {
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, `http: { listen: "127.0.0.1:0" }\ndata: ${data}\n`);
    const served = startCli(['serve', '--config', file], { cwd: '/' });
    await served.waitForMatch(/listening on/);
    served.child.kill('SIGTERM');
    await served.result;
  }

  for (const [data, path] of [
    ['/proc/none/data', '/proc/none'],
    ['/proc/data', '/proc/data'],
    ['/proc/self', '/proc/self'],
    ['/dev/null/data', '/dev/null/data'],
    ['/etc/hostname', '/etc/hostname'],
  ] as const)
    it(`C6: serve exits with 1 and names the path if data is ${data}`, async () => {
      const { code, stderr } = await serve(data);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^distillery: cannot start: cannot (create|write to) the folder /m);
      expect(stderr).to.contain(`"${path}`);
    });

  it('C6: serve exits with 1 and names the data folder if its bind mount was deleted', async () => {
    const [source, data] = [join(folder, 'source'), join(folder, 'data')];
    await mkdir(source);
    await mkdir(data);
    execFileSync('mount', ['--bind', source, data]);
    try {
      await rm(source, { recursive: true });
      const { code, stderr } = await serve(data);
      expect(code).to.equal(1);
      expect(stderr).to.contain(`the folder "${data}`).and.to.contain('was deleted');
    } finally {
      execFileSync('umount', [data]);
    }
  });

  it('S5: serve names the data folder that its user cannot create', async () => {
    const { code, stderr } = await serve('below/data', { wrapper: asNobody });
    expect(code).to.equal(1);
    expect(stderr)
      .to.contain(`cannot create the folder "${join(folder, 'below')}" as user 65534: permission denied`)
      .and.not.to.contain('1024');
  });

  it('S5: serve names the data folder that its user cannot write to', async () => {
    await mkdir(join(folder, 'data'));
    const { code, stderr } = await serve('data', { wrapper: asNobody });
    expect(code).to.equal(1);
    expect(stderr)
      .to.contain(`cannot write to the folder "${join(folder, 'data')}" as user 65534: permission denied`)
      .and.not.to.contain('1024');
  });

  it('S5: serve names the file in the data folder that belongs to another user', async () => {
    const data = join(folder, 'data');
    await serveOnce('data');
    for (const path of [data, join(data, 'runs'), join(data, 'id')]) await chown(path, 65_534, 65_534);
    await chmod(join(data, 'runs.db'), 0o600);
    const { code, stderr } = await serve('data', { wrapper: asNobody });
    expect(code).to.equal(1);
    expect(stderr).to.contain(`cannot open the file "${join(data, 'runs.db')}" as user 65534: permission denied`);
    await chown(join(data, 'runs'), 0, 0);
    expect((await serve('data', { wrapper: asNobody })).stderr).to.contain(`"${join(data, 'runs')}"`);
  });

  it('S5: serve names the database file that it cannot read', async () => {
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'runs.db'), 'no database '.repeat(1_000));
    const { code, stderr } = await serve('data');
    expect(code).to.equal(1);
    expect(stderr).to.contain(`cannot open "${join(folder, 'data', 'runs.db')}": `);
  });

  it('S5: serve mentions ports below 1024 only if it cannot listen on one', async () => {
    await chown(folder, 65_534, 65_534);
    const listen = ['serve', '--config', join(folder, 'distillery.yaml'), '--listen', '127.0.0.1:1'];
    await writeFile(join(folder, 'distillery.yaml'), 'data: data\n');
    const inNamespace = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$0" "$@"', ...asNobody];
    const { code, stderr } = await startCli(listen, { cwd: '/', wrapper: inNamespace, input: '' }).result;
    expect(code).to.equal(1);
    expect(stderr).to.contain('permission denied: cannot listen on 127.0.0.1:1; ports below 1024 need root');
  });
});
