// A run whose jobs print into one log: whoever watches knows whose each line is, wherever he begins.

import { expect } from 'chai';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cli, startCli } from '../helpers/cli.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { settled } from '../helpers/settled.ts';
import { until } from '../helpers/until.ts';
import { wsClient, type WsClient } from '../helpers/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/parted-calls.ts', import.meta.url));

/** Every line with its source, as `job/stream: line`. */
const whole = [
  '/stdout: planned', 'test/stderr: warning', 'build/stdout: compiling', 'build/stdout: linking', 'test/stdout: ok 1', 'test/stdout: ok 2',
  'build/stdout: done', 'test/stdout: passed', '/stdout: over',
];

interface Said {
  readonly seq: number;
  readonly type: string;
  readonly stream?: string;
  readonly job?: string;
}

describe('a run of several jobs', function () {
  this.timeout(30_000);
  let gateway: TestGateway;
  before(async () => { gateway = await startTestGateway(`modules: [${JSON.stringify(module)}]\nlimits: { partialMs: 10ms }\n`); });
  after(() => gateway.stop());
  afterEach(() => settled(gateway));
  let runs = 0;

  const attached = async (message: object): Promise<WsClient> => {
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control(message);
    return client;
  };

  /** Its six whole lines are in the files; one more has begun. */
  async function running(): Promise<{ readonly run: string; readonly client: WsClient; finish(): Promise<void> }> {
    const run = `jobs-${(runs += 1)}`;
    const client = await attached({ call: 'jobs', run });
    await until('six lines are stored', async () => ((await page(run, 0))['lines'] as string[]).length === 6);
    return {
      run, client,
      async finish() {
        client.text('go');
        await client.rest();
      },
    };
  }

  const page = async (run: string, after: number, limit = 100): Promise<Record<string, unknown>> =>
    await gateway.getJson(`/api/v1/http/runs/${run}/lines?after=${after}&limit=${limit}`) as Record<string, unknown>;

  /** Lines with their sources, as a client of `distillery.v2` knows them; and the first event `stream`. */
  async function heardBy(client: WsClient): Promise<{ readonly lines: readonly string[]; readonly first: Said | undefined }> {
    const lines: string[] = [];
    let source = '/stdout';
    let first: Said | undefined;
    for (;;) {
      const said = await client.next();
      if ('closed' in said) return { lines, first };
      if ('text' in said) {
        lines.push(`${source}: ${said.text}`);
      } else if ('event' in said.json) {
        const event = said.json['event'] as Said;
        if (event.type !== 'stream') continue;
        first ??= event;
        source = `${event.job ?? ''}/${event.stream}`;
      }
    }
  }

  it('is told with whose each line is, from every place, while it goes on and when it is over', async () => {
    const { run, client, finish } = await running();
    const live = await Promise.all(Array.from({ length: 7 }, (_, after) => attached({ attach: run, after })));
    const last = await Promise.all([0, 1, 3].map((lines) => attached({ attach: run, last: lines })));
    for (const each of [...live, ...last]) await each.next();
    const ends = Promise.all([...live, ...last].map(heardBy));
    await finish();
    const heard = await ends;
    for (let after = 0; after <= 6; after++) expect(heard[after]!.lines, `after ${after}`).to.deep.equal(whole.slice(after));
    for (const [i, lines] of [0, 1, 3].entries()) expect(heard[7 + i]!.lines, `last ${lines}`).to.deep.equal(whole.slice(6 - lines));
    for (let after = 0; after <= 9; after++) {
      const over = await heardBy(await attached({ attach: run, after }));
      expect(over.lines, `after ${after}, over`).to.deep.equal(whole.slice(after));
    }
    expect((await heardBy(await attached({ attach: run, after: 3 }))).first).to.deep.equal({ seq: 2, at: 2, type: 'stream', stream: 'stdout', job: 'build' });
    expect((await heardBy(await attached({ attach: run, after: 1 }))).first).to.deep.include({ seq: 1, at: 1 });
    expect(client.ws.readyState).to.equal(client.ws.CLOSED);
  });

  it('is told with whose line has begun', async () => {
    const { run, finish } = await running();
    const client = await attached({ attach: run });
    for (;;) {
      const said = await client.next();
      if (!('json' in said) || (said.json['event'] as Said | undefined)?.type !== 'partial') continue;
      expect(said.json['event']).to.deep.include({ type: 'partial', stream: 'stdout', job: 'test', text: 'passed' });
      break;
    }
    client.ws.terminate();
    await finish();
  });

  it('is told as JSON with the sources of its lines', async () => {
    const { run, finish } = await running();
    expect((await page(run, 2))['sources']).to.deep.equal([{ from: 3, stream: 'stdout', job: 'build' }, { from: 5, stream: 'stdout', job: 'test' }]);
    await finish();
    const sources = [
      { from: 2, stream: 'stderr', job: 'test' }, { from: 3, stream: 'stdout', job: 'build' }, { from: 5, stream: 'stdout', job: 'test' },
      { from: 7, stream: 'stdout', job: 'build' }, { from: 8, stream: 'stdout', job: 'test' }, { from: 9, stream: 'stdout' },
    ];
    expect((await page(run, 0))['sources']).to.deep.equal(sources);
    expect((await page(run, 3, 2))['sources']).to.deep.equal([{ from: 4, stream: 'stdout', job: 'build' }, { from: 5, stream: 'stdout', job: 'test' }]);
    expect(await page(run, 0, 1)).not.to.have.property('sources');
    expect(await page(run, 8)).not.to.have.property('sources');
    expect(await page(run, 9)).not.to.have.property('sources');
  });

  it('is told to older clients as lines, and to those of pow-1 with no line in another', async () => {
    const v1 = await wsClient(gateway.wsUrl);
    v1.control({ call: 'jobs', params: [] });
    v1.text('go');
    expect((await v1.rest()).texts).to.have.members(whole.map((line) => line.replace(/^.*?: /, '')));
    const pow = await wsClient(gateway.wsUrl, ['pow-1']);
    pow.control({ call: 'jobs', params: [] });
    pow.text('go\n');
    const { texts } = await pow.rest();
    expect(texts.join('').split('\n').sort()).to.deep.equal([...whole.map((line) => line.replace(/^.*?: /, '')), ''].sort());
  });

  it('keeps what its jobs made, to be listed and downloaded, while it goes on and when it is over', async () => {
    const { run, finish } = await running();
    const path = `/api/v1/http/runs/${run}/artifacts`;
    expect(await gateway.getJson(path)).to.deep.equal({ artifacts: [] });
    await mkdir(join(gateway.runsFolder, run, 'artifacts', 'build'), { recursive: true });
    await writeFile(join(gateway.runsFolder, run, 'artifacts', 'build', 'app'), 'made');
    const look = async (): Promise<void> => {
      const { artifacts } = await gateway.getJson(path) as { artifacts: object[] };
      expect(artifacts).to.have.length(1);
      expect(artifacts[0]).to.include({ path: 'build/app', bytes: 4, type: 'file' });
      expect(await (await fetch(`${gateway.url}${path}/build/app`)).text()).to.equal('made');
      expect((await fetch(`${gateway.url}${path}/..%2flines`)).status).to.equal(404);
    };
    await look();
    await finish();
    await look();
  });

  it('is printed by the command line: all of it, one job, or with the names of the jobs', async () => {
    const { run, finish } = await running();
    const env = { DISTILLERY_URL: gateway.url };
    const logs = async (...args: readonly string[]): Promise<string> => (await cli(['logs', run, ...args], { env })).stdout;
    const following = ['--prefix', '--job'].map((flag) => startCli(['logs', run, '--follow', '--tail', '3', ...(flag === '--job' ? [flag, 'test'] : [flag])], { env }));
    await following[0]!.says(/\[test\] ok 2/);
    await following[1]!.says(/ok 2/);
    await finish();
    expect((await following[0]!.ended).stdout).to.equal('[build] linking\n[test] ok 1\n[test] ok 2\n[build] done\n[test] passed\nover\n');
    expect((await following[1]!.ended).stdout).to.equal('ok 1\nok 2\npassed\n');
    expect(await logs()).to.equal(whole.map((line) => `${line.replace(/^.*?: /, '')}\n`).join(''));
    expect(await logs('--prefix')).to.equal('planned\n[test] warning\n[build] compiling\n[build] linking\n[test] ok 1\n[test] ok 2\n[build] done\n[test] passed\nover\n');
    expect(await logs('--job', 'build', '--tail', '6')).to.equal('linking\ndone\n');
    expect(await logs('--job', 'none')).to.equal('');
  });
});
