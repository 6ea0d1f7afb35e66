// Tests the way from a missing or empty configuration to a gateway that answers.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';

describe('a folder without a configuration', function () {
  this.timeout(60_000);
  let folder: string;
  let served: RunningCli | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'init-'));
  });
  afterEach(async () => {
    served?.child.kill('SIGTERM');
    await served?.result;
    served = undefined;
    await rm(folder, { recursive: true });
  });

  const distillery = (...args: readonly string[]) => runCli(args, { cwd: folder });

  async function serve(): Promise<string> {
    served = startCli(['serve', '--listen', '127.0.0.1:0'], { cwd: folder });
    return (await served.waitForMatch(/^listening on (http:\S+)$/m))[1]!;
  }

  it('init --config writes a configuration that is valid and whose calls run', async () => {
    expect(await distillery('init', '--config')).to.include({ code: 0, stdout: 'Created distillery.yaml\n' });
    const { code, stdout, stderr } = await distillery('validate', 'distillery.yaml');
    expect([code, stdout, stderr]).to.deep.equal([
      0,
      'distillery.yaml: valid (2 calls, 0 systems, API on at 127.0.0.1:8080)\n',
      '',
    ]);
    const url = await serve();
    expect((await distillery('call', '-q', 'greet', 'Ada', '--url', url)).stdout).to.match(/^hello Ada 1\n/);
  });

  it('the configuration of init --config is valid with every commented-out key enabled', async () => {
    await distillery('init', '--config', '-f', 'all.yaml');
    const text = (await readFile(join(folder, 'all.yaml'), 'utf8'))
      .replace(/^(\s*)# (?=(?:census|shell|build|modules|pipelines|secrets|limits|domains|origins| {2}\w+):?)/gm, '$1')
      .replace('modules: [calls.ts]', 'modules: []');
    await writeFile(join(folder, 'all.yaml'), text);
    await distillery('init');
    const { stdout, stderr } = await distillery('validate', 'all.yaml');
    expect(stdout, stderr).to.contain('all.yaml: valid (5 calls');
  });

  it('init --config does not overwrite a file unless --force is set', async () => {
    await writeFile(join(folder, 'distillery.yaml'), 'mine: true');
    const { code, stderr } = await distillery('init', '--config');
    expect([code, stderr]).to.deep.equal([1, 'distillery: distillery.yaml already exists; use --force to overwrite\n']);
    expect(await readFile(join(folder, 'distillery.yaml'), 'utf8')).to.equal('mine: true');
    expect((await distillery('init', '--config', '--force')).code).to.equal(0);
    expect(await readFile(join(folder, 'distillery.yaml'), 'utf8')).to.contain('api: true');
  });

  it('serve and validate name init --config if there is no configuration', async () => {
    for (const args of [['serve'], ['validate', 'distillery.yaml']]) {
      const { code, stderr } = await distillery(...args);
      expect(code).to.equal(2);
      expect(stderr).to.contain('there is no such file').and.to.contain('"distillery init --config"');
    }
  });

  it('a gateway with an empty configuration answers 501 with the key that enables the API', async () => {
    await writeFile(join(folder, 'distillery.yaml'), '');
    const url = await serve();
    const response = await fetch(`${url}/api/v1/http/calls`);
    expect(response.status).to.equal(501);
    expect(((await response.json()) as { message: string }).message).to.contain('http: { api: true }');
    await served?.waitForMatch(/the API is off.*http: \{ api: true \}/);
    expect((await distillery('call', 'x', '--url', url)).stderr).to.contain('http: { api: true }');
  });
});
