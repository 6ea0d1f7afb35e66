// Tests a run whose jobs print in parallel: every client learns the source of each line, from any cursor.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runCli, startCli } from '../helpers/cli/run-cli.ts';
import { expectIdle } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { connectWsClient, type WsClient } from '../helpers/websocket/ws-client.ts';

const module = fileURLToPath(new URL('../fixtures/parallel-output-calls.ts', import.meta.url));

/** Every line of the run with its source, as `job/stream: line`. */
const completeOutput = [
  '/stdout: planned',
  'test/stderr: warning',
  'build/stdout: compiling',
  'build/stdout: linking',
  'test/stdout: ok 1',
  'test/stdout: ok 2',
  'build/stdout: done',
  'test/stdout: passed',
  '/stdout: over',
];

interface ClientOutput {
  readonly seq: number;
  readonly type: string;
  readonly stream?: string;
  readonly job?: string;
}

describe('a run whose jobs print in parallel', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(`modules: [${JSON.stringify(module)}]\nlimits: { partialMs: 10ms }\n`);
  });
  after(() => gateway.stop());
  afterEach(() => expectIdle(gateway));
  let runs = 0;

  const attachClient = async (message: object): Promise<WsClient> => {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl(message);
    return client;
  };

  /** Starts a run and waits until six whole lines are stored. A seventh line has begun. */
  async function startRun(): Promise<{ readonly run: string; readonly client: WsClient; finish(): Promise<void> }> {
    const run = `jobs-${(runs += 1)}`;
    const client = await attachClient({ call: 'jobs', run });
    await waitUntil('six lines are stored', async () => ((await getPage(run, 0))['lines'] as string[]).length === 6);
    return {
      run,
      client,
      async finish() {
        client.sendText('go');
        await client.readToEnd();
      },
    };
  }

  const getPage = async (run: string, after: number, limit = 100): Promise<Record<string, unknown>> =>
    (await gateway.getJson(`/api/v1/http/runs/${run}/lines?after=${after}&limit=${limit}`)) as Record<string, unknown>;

  /** Returns the first `stream` event, and the lines with the sources that a client of `distillery.v2` tracks. */
  async function readOutput(
    client: WsClient,
  ): Promise<{ readonly lines: readonly string[]; readonly first: ClientOutput | undefined }> {
    const lines: string[] = [];
    let source = '/stdout';
    let first: ClientOutput | undefined;
    for (;;) {
      const message = await client.next();
      if ('closed' in message) return { lines, first };
      if ('text' in message) {
        lines.push(`${source}: ${message.text}`);
      } else if ('event' in message.json) {
        const event = message.json['event'] as ClientOutput;
        if (event.type !== 'stream') continue;
        first ??= event;
        source = `${event.job ?? ''}/${event.stream}`;
      }
    }
  }

  it('a watcher learns the source of each line from any cursor, during the run and after it', async () => {
    const { run, client, finish } = await startRun();
    const live = await Promise.all(Array.from({ length: 7 }, (_, after) => attachClient({ attach: run, after })));
    const last = await Promise.all([0, 1, 3].map((lines) => attachClient({ attach: run, last: lines })));
    for (const each of [...live, ...last]) await each.next();
    const ends = Promise.all([...live, ...last].map(readOutput));
    await finish();
    const received = await ends;
    for (let after = 0; after <= 6; after++)
      expect(received[after]!.lines, `after ${after}`).to.deep.equal(completeOutput.slice(after));
    for (const [i, lines] of [0, 1, 3].entries())
      expect(received[7 + i]!.lines, `last ${lines}`).to.deep.equal(completeOutput.slice(6 - lines));
    for (let after = 0; after <= 9; after++) {
      const replayed = await readOutput(await attachClient({ attach: run, after }));
      expect(replayed.lines, `after ${after}, ended`).to.deep.equal(completeOutput.slice(after));
    }
    expect((await readOutput(await attachClient({ attach: run, after: 3 }))).first).to.deep.equal({
      seq: 2,
      at: 2,
      type: 'stream',
      stream: 'stdout',
      job: 'build',
    });
    expect((await readOutput(await attachClient({ attach: run, after: 1 }))).first).to.deep.include({ seq: 1, at: 1 });
    expect(client.ws.readyState).to.equal(client.ws.CLOSED);
  });

  it('a watcher learns the source of an unfinished line', async () => {
    const { run, finish } = await startRun();
    const client = await attachClient({ attach: run });
    for (;;) {
      const message = await client.next();
      if (!('json' in message) || (message.json['event'] as ClientOutput | undefined)?.type !== 'partial') continue;
      expect(message.json['event']).to.deep.include({ type: 'partial', stream: 'stdout', job: 'test', text: 'passed' });
      break;
    }
    client.ws.terminate();
    await finish();
  });

  it('the JSON lines of a run have their sources', async () => {
    const { run, finish } = await startRun();
    expect((await getPage(run, 2))['sources']).to.deep.equal([
      { from: 3, stream: 'stdout', job: 'build' },
      { from: 5, stream: 'stdout', job: 'test' },
    ]);
    await finish();
    const sources = [
      { from: 2, stream: 'stderr', job: 'test' },
      { from: 3, stream: 'stdout', job: 'build' },
      { from: 5, stream: 'stdout', job: 'test' },
      { from: 7, stream: 'stdout', job: 'build' },
      { from: 8, stream: 'stdout', job: 'test' },
      { from: 9, stream: 'stdout' },
    ];
    expect((await getPage(run, 0))['sources']).to.deep.equal(sources);
    expect((await getPage(run, 3, 2))['sources']).to.deep.equal([
      { from: 4, stream: 'stdout', job: 'build' },
      { from: 5, stream: 'stdout', job: 'test' },
    ]);
    expect(await getPage(run, 0, 1)).not.to.have.property('sources');
    expect(await getPage(run, 8)).not.to.have.property('sources');
    expect(await getPage(run, 9)).not.to.have.property('sources');
  });

  it('v1 clients receive whole lines, and pow-1 clients never get one line inside another', async () => {
    const v1 = await connectWsClient(gateway.wsUrl);
    v1.sendControl({ call: 'jobs', params: [] });
    v1.sendText('go');
    expect((await v1.readToEnd()).texts).to.have.members(completeOutput.map((line) => line.replace(/^.*?: /, '')));
    const pow = await connectWsClient(gateway.wsUrl, ['pow-1']);
    pow.sendControl({ call: 'jobs', params: [] });
    pow.sendText('go\n');
    const { texts } = await pow.readToEnd();
    expect(texts.join('').split('\n').sort()).to.deep.equal(
      [...completeOutput.map((line) => line.replace(/^.*?: /, '')), ''].sort(),
    );
  });

  it('artifacts of jobs can be listed and downloaded, during the run and after it', async () => {
    const { run, finish } = await startRun();
    const path = `/api/v1/http/runs/${run}/artifacts`;
    expect(await gateway.getJson(path)).to.deep.equal({ artifacts: [] });
    await mkdir(join(gateway.runsFolder, run, 'artifacts', 'build'), { recursive: true });
    await writeFile(join(gateway.runsFolder, run, 'artifacts', 'build', 'app'), 'made');
    const checkArtifacts = async (): Promise<void> => {
      const { artifacts } = (await gateway.getJson(path)) as { artifacts: object[] };
      expect(artifacts).to.have.length(1);
      expect(artifacts[0]).to.include({ path: 'build/app', bytes: 4, type: 'file' });
      expect(await (await fetch(`${gateway.url}${path}/build/app`)).text()).to.equal('made');
      expect((await fetch(`${gateway.url}${path}/..%2flines`)).status).to.equal(404);
    };
    await checkArtifacts();
    await finish();
    await checkArtifacts();
  });

  it('the command line prints all output, one job, or lines with job names', async () => {
    const { run, finish } = await startRun();
    const env = { DISTILLERY_URL: gateway.url };
    const printLogs = async (...args: readonly string[]): Promise<string> =>
      (await runCli(['logs', run, ...args], { env })).stdout;
    const following = ['--prefix', '--job'].map((flag) =>
      startCli(['logs', run, '--follow', '--tail', '3', ...(flag === '--job' ? [flag, 'test'] : [flag])], { env }),
    );
    await following[0]!.waitForMatch(/\[test\] ok 2/);
    await following[1]!.waitForMatch(/ok 2/);
    await finish();
    expect((await following[0]!.result).stdout).to.equal(
      '[build] linking\n[test] ok 1\n[test] ok 2\n[build] done\n[test] passed\nover\n',
    );
    expect((await following[1]!.result).stdout).to.equal('ok 1\nok 2\npassed\n');
    expect(await printLogs()).to.equal(completeOutput.map((line) => `${line.replace(/^.*?: /, '')}\n`).join(''));
    expect(await printLogs('--prefix')).to.equal(
      [
        'planned',
        '[test] warning',
        '[build] compiling',
        '[build] linking',
        '[test] ok 1',
        '[test] ok 2',
        '[build] done',
        '[test] passed',
        'over',
        '',
      ].join('\n'),
    );
    expect(await printLogs('--job', 'build', '--tail', '6')).to.equal('linking\ndone\n');
    expect(await printLogs('--job', 'none')).to.equal('');
  });
});
