// Tests what a running gateway does with a configuration file that is written in several steps, moved or linked.

import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const head = 'http: { api: true, listen: "127.0.0.1:0" }\nshutdown: { grace: 0s }\n';

/** With these limits, only SIGHUP makes the gateway apply a file that removes something. */
const patient = `${head}limits: { configQuietMs: 10ms, configConfirmMs: 1h, retentionIntervalMs: 10ms }\n`;
const rest = `retention: { runs: 100 }
calls:
  hello: { process: [echo, hello], retention: { runs: 50 } }
  sleep: { process: [sleep, "60"] }
`;

describe('the configuration file of a running gateway', function () {
  this.timeout(60_000);
  let folder: string;
  let file: string;
  let served: RunningCli | undefined;
  let url: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reload-'));
    file = join(folder, 'distillery.yaml');
  });
  afterEach(async () => {
    served?.child.kill('SIGTERM');
    await served?.result;
    served = undefined;
    await rm(folder, { recursive: true });
  });

  async function serve(args: readonly string[] = []): Promise<RunningCli> {
    served = startCli(['serve', ...args], { cwd: folder });
    [, url = ''] = await served.waitForMatch(/^listening on (http:\S+)$/m);
    return served;
  }

  const getJson = async (path: string): Promise<unknown> => (await fetch(`${url}/api/v1/http/${path}`)).json();
  const status = async (): Promise<number> => (await fetch(`${url}/api/v1/http/calls`)).status;
  async function callNames(): Promise<readonly string[]> {
    const calls = (await getJson('calls')) as readonly { name: string }[];
    return Array.isArray(calls) ? calls.map(({ name }) => name).filter((name) => name !== 'pipeline.run') : [];
  }
  async function countRuns(): Promise<number> {
    return ((await getJson('runs')) as { runs: readonly unknown[] }).runs.length;
  }

  it('C1: an emptied file closes and deletes nothing, and the log says what it would remove', async () => {
    await writeFile(file, patient + rest);
    const { waitForMatch } = await serve();
    for (const _ of [1, 2]) await runCli(['call', '-q', 'hello', '--url', url]);
    await writeFile(file, '');
    const [line] = await waitForMatch(/^.*the configuration file may be incomplete.*$/m);
    expect(JSON.parse(line)).to.deep.include({ level: 40, appliesAfterMs: 3_600_000 });
    expect(line).to.contain('"http"').and.to.contain('"retention"').and.to.contain('calls.hello');
    expect(await callNames()).to.deep.equal(['hello', 'sleep']);
    expect(await countRuns()).to.equal(2);
  });

  it('C1: a file saved in two steps is applied when it is complete, and only once', async () => {
    await writeFile(file, patient + rest);
    const { waitForMatch, child, result } = await serve();
    await writeFile(file, patient);
    await waitForMatch(/the configuration file may be incomplete/);
    await writeFile(file, `${patient}${rest}  more: { process: [ls] }\n`);
    await waitUntil('the new call exists', async () => (await callNames()).includes('more'));
    child.kill('SIGTERM');
    const { stderr } = await result;
    expect(stderr.match(/configuration reloaded/g)).to.have.length(1);
    expect(stderr).to.contain('"addedCalls":["more"]');
  });

  it('C1: a file that removes something is applied if it stays unchanged, and the log says what changed', async () => {
    const quick = patient.replace('1h', '50ms');
    await writeFile(file, quick + rest);
    const { waitForMatch } = await serve();
    await writeFile(file, quick.replace('api: true, ', '').replace(/\n$/, '\n'));
    const [line] = await waitForMatch(/^.*configuration reloaded.*$/m);
    expect(JSON.parse(line)).to.deep.include({ api: false, apiBefore: true, removedCalls: ['hello', 'sleep'] });
    expect(line).to.contain('"removed":["http.api","retention"').and.to.contain('"retention":{"ageMs"');
    expect(await status()).to.equal(501);
  });

  it('C1: SIGHUP applies an emptied file at once', async () => {
    await writeFile(file, patient + rest);
    const { waitForMatch, child } = await serve();
    await writeFile(file, '');
    await waitForMatch(/the configuration file may be incomplete/);
    child.kill('SIGHUP');
    await waitUntil('the API is off', async () => (await status()) === 501);
  });

  it('C2: a gateway follows a linked file, a switched folder and a recreated folder, one after the other', async () => {
    const release = async (name: string, call: string): Promise<void> => {
      await mkdir(join(folder, name), { recursive: true });
      const limits = 'limits: { configQuietMs: 10ms, configConfirmMs: 0 }\ndata: ../data\n';
      await writeFile(join(folder, name, 'real.yaml'), `${head}${limits}calls: { ${call}: { process: [ls] } }\n`);
      await symlink('real.yaml', join(folder, name, 'distillery.yaml')).catch(() => {});
    };
    const switchTo = async (name: string): Promise<void> => {
      await symlink(name, join(folder, 'next'));
      await rename(join(folder, 'next'), join(folder, 'current'));
    };
    const expectCall = (name: string): Promise<void> =>
      waitUntil(`the call ${name} exists`, async () => (await callNames()).join() === name);
    await release('1', 'one');
    await release('2', 'two');
    await switchTo('1');
    await serve(['--config', join('current', 'distillery.yaml')]);
    await release('1', 'edited');
    await expectCall('edited');
    await switchTo('2');
    await expectCall('two');
    await rename(join(folder, '2'), join(folder, 'away'));
    await release('2', 'recreated');
    await expectCall('recreated');
    await release('2', 'again');
    await expectCall('again');
  });
});
