// Tests all ways to start pipelines over the wire, on a real engine: declared calls, and `pipeline.run` with the ws
// client.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import type { RunRecord } from '../../protocol/run-record.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { expectIdle, getNewestRuns, waitForNewestRun } from '../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { leftoverNetworksAndVolumes } from '../helpers/leftovers.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const greetPipeline = `
workflow: [hello, bye]
hello:
  image: busybox:latest
  script: echo "hello $who, $GREETING"
bye:
  image: busybox:latest
  condition: $who != "Nemo"
  volumes: ["./shared:/shared:ro"]
  secrets: [TOKEN]
  script: |
    cat /shared/note
    echo "the token is $TOKEN"
    exit "$code"
`;

const yaml = (engine: string): string => `
docker: { host: "${engine}" }
pipelines: { workspaces: [work] }
secrets: { TOKEN: { file: token }, KEPT: { variable: DISTILLERY_TEST_KEPT, calls: [other] }, 
  OPEN: { file: token, calls: [pipeline.run] } }
calls:
  greet:
    params: [{ name: who }, { name: code, default: "0" }]
    pipeline: { file: greet.yaml, variables: { GREETING: "how are you, \${who}?" } }
  other: { process: ["true"] }
`;

describe('calls that start pipelines', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml(await sharedEngineHost()), {
      'greet.yaml': greetPipeline,
      token: 'hidden-value\n',
    });
    await mkdir(join(gateway.folder, 'shared'));
    await writeFile(join(gateway.folder, 'shared/note'), 'a note\n');
    await mkdir(join(gateway.folder, 'work/sub'), { recursive: true });
    await writeFile(join(gateway.folder, 'work/sub/file'), 'from the gateway\n');
  });
  afterEach(async () => {
    await expectIdle(gateway);
    expect(await leftoverNetworksAndVolumes()).to.deep.equal([]);
  });
  after(() => gateway.stop());

  async function call(name: string, params: readonly string[], input: readonly string[] = []) {
    const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
    client.sendControl({ call: name, params });
    for (const line of input) client.sendText(line);
    client.sendControl({ signal: 'close' });
    const { texts, json, code } = await client.readToEnd();
    expect(code).to.equal(1000);
    return {
      texts,
      result: json.at(-1)!,
      events: json.flatMap(({ event }) => (event === undefined ? [] : [event as Record<string, unknown>])),
    };
  }

  it('a declared pipeline runs with params as variables, mounts relative to its file, and masked secrets', async () => {
    const { texts, result, events } = await call('greet', ['Ada']);
    expect(texts).to.deep.equal(['hello Ada, how are you, Ada?', 'a note', 'the token is ***']);
    expect(result).to.include({ success: true, status: 'succeeded' });
    expect(result['cleanup']).to.include({ clean: true });
    expect((result['value'] as { jobs: { status: string }[] }).jobs.map(({ status }) => status)).to.deep.equal([
      'succeeded',
      'succeeded',
    ]);
    const streamJobs = events.filter(({ type }) => type === 'stream').map(({ job }) => job);
    expect(streamJobs).to.deep.equal(['hello', 'bye']);
  });

  it('a declared pipeline fails with the exit code of the failed job', async () => {
    const { result } = await call('greet', ['Ada', '3']);
    expect(result).to.include({
      success: false,
      status: 'failed',
      exitCode: 3,
      message: 'job "bye" failed: command execution failed (exit code 3)',
    });
    expect(await waitForNewestRun(gateway)).to.include({ call: 'greet', outcome: 'failed', exitCode: 3 });
  });

  it('a declared pipeline uses changes of its file without a reload', async () => {
    await writeFile(
      join(gateway.folder, 'greet.yaml'),
      'workflow: [now]\nnow: { image: "busybox:latest", script: "echo now" }',
    );
    try {
      expect((await call('greet', ['Ada'])).texts).to.deep.equal(['now']);
      await writeFile(join(gateway.folder, 'greet.yaml'), 'workflow: [now]\nnow: { script: x }');
      const { result } = await call('greet', ['Ada']);
      expect(result).to.include({ status: 'failed' });
      expect(result['message']).to.match(
        /^greet\.yaml:2:\d+: now(\.\w+)?: either 'image' or 'dockerfile' must be specified/,
      );
    } finally {
      await writeFile(join(gateway.folder, 'greet.yaml'), greetPipeline);
    }
  });

  it('a v1 client receives the lines and one result of a pipeline', async () => {
    const client = await connectWsClient(gateway.wsUrl);
    client.sendControl({ call: 'greet', params: ['Nemo'] });
    const { texts, json, code } = await client.readToEnd();
    expect([texts, json, code]).to.deep.equal([['hello Nemo, how are you, Nemo?'], [{ success: true }], 1000]);
  });

  describe('pipeline.run', () => {
    const one = 'workflow: go\ngo: { image: "busybox:latest", script: "echo $A" }';

    it("pipeline.run runs the caller's text and records its digest", async () => {
      const { texts, result } = await call('pipeline.run', [one, '{"variables":{"A":"b"}}']);
      expect(texts).to.deep.equal(['b']);
      expect(result).to.include({ status: 'succeeded' });
      const record = await waitForNewestRun(gateway);
      expect(record.call).to.equal('pipeline.run');
      expect(record.params[0]).to.match(/^sha256:[0-9a-f]{16} \(\d+ bytes\)$/);
      expect(record.params[1]).to.equal('{"variables":{"A":"b"}}');
    });

    it('pipeline.run is listed with its scope', async () => {
      const listed = await gateway.getJson('/api/v1/http/calls/pipeline.run');
      expect(listed).to.include({ name: 'pipeline.run', kind: 'pipeline', scope: 'pipeline.run', available: true });
    });

    it('pipeline.run rejects an invalid text with all diagnostics and stores no run', async () => {
      const [before] = await getNewestRuns(gateway);
      const { result } = await call('pipeline.run', [
        'workflow: [a, b]\na: { script: x }\nb: { script: y }',
        '{"file":"mine.yaml","nope":1}',
      ]);
      expect(result).to.include({ success: false, status: 'rejected' });
      const lines = String(result['message']).split('\n');
      expect(lines[0]).to.match(/^options: unknown option "nope"/);
      expect(
        (await call('pipeline.run', ['workflow: [a, b]\na: { script: x }\nb: { script: y }', '{"file":"mine.yaml"}']))
          .result['message'],
      ).to.match(/^mine\.yaml:2:\d+: a(\.\w+)?: .*\nmine\.yaml:3:\d+: b(\.\w+)?: /);
      expect(await getNewestRuns(gateway)).to.deep.equal([before]);
    });

    it('pipeline.run rejects what the operator does not allow before it stores a run', async () => {
      for (const [text, message] of [
        ['a: { host: true, script: id }', /host jobs are disabled/],
        ['a: { image: x, volumes: ["/etc:/x"], script: x }', /"\/etc" must not be mounted/],
        ['a: { image: x, network: host, script: x }', /network of the host/],
        ['a: { image: x, secrets: [TOKEN], script: x }', /the secret "TOKEN" is not allowed for this pipeline/],
        ['a: { image: x, secrets: [KEPT], script: x }', /the secret "KEPT"/],
      ] as const) {
        const { result } = await call('pipeline.run', [`workflow: [a]\n${text}`]);
        expect(result, text).to.include({ status: 'rejected' });
        expect(result['message'], text).to.match(message);
      }
      expect((await call('pipeline.run', [one, '{"workspace":"/etc"}'])).result).to.include({ status: 'rejected' });
    });

    it('pipeline.run may use secrets whose configuration lists it, but no relative mounts', async () => {
      expect(
        (
          await call('pipeline.run', [
            'workflow: a\na: { image: "busybox:latest", secrets: [OPEN], script: "echo x$OPEN" }',
          ])
        ).texts,
      ).to.deep.equal(['x***']);
      const { result } = await call('pipeline.run', [
        'workflow: a\na: { image: "busybox:latest", volumes: ["./shared:/x"], script: ls }',
      ]);
      expect(result['success']).to.equal(false);
      expect(result['message']).to.match(/relative to the pipeline's file/);
    });

    it("pipeline.run receives the caller's files as base64 lines of its input", async () => {
      const archive = pack();
      archive.entry({ name: 'a/file' }, 'of the caller\n');
      archive.finalize();
      const chunks: Buffer[] = [];
      for await (const chunk of archive) chunks.push(chunk as Buffer);
      const lines = Buffer.concat(chunks)
        .toString('base64')
        .match(/.{1,100}/g)!;
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "cat a/file" }';
      const { texts, result } = await call('pipeline.run', [text, '{"workspace":"input"}'], lines);
      expect(result).to.include({ status: 'succeeded' });
      expect(texts).to.deep.equal(['of the caller']);
      expect((result['cleanup'] as RunRecord['cleanup'])?.released.map(({ kind }) => kind)).to.include('folder');
    });

    it('pipeline.run fails if its input is not an archive', async () => {
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "ls" }';
      const { result } = await call('pipeline.run', [text, '{"workspace":"input"}'], ['?!']);
      expect(result).to.include({ status: 'failed' });
      expect(result['message']).to.match(/base64/);
    });

    it('pipeline.run can mount a folder that the operator allows', async () => {
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "cat file" }';
      expect(
        (await call('pipeline.run', [text, JSON.stringify({ workspace: join(gateway.folder, 'work/sub') })])).texts,
      ).to.deep.equal(['from the gateway']);
    });

    it('a cancel ends pipeline.run while its jobs run, and the receipt is clean', async () => {
      const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
      client.sendControl({
        call: 'pipeline.run',
        params: [
          `workflow: [a, b]
a: { image: "busybox:latest", parallel: true, script: "echo up; sleep 60" }
b: { image: "busybox:latest", parallel: true, script: "echo up; sleep 60" }`,
        ],
      });
      let up = 0;
      while (up < 2) if ('text' in (await client.next())) up += 1;
      client.sendControl({ signal: 'cancel' });
      const { json } = await client.readToEnd();
      expect(json.at(-1)).to.include({ success: false, status: 'cancelled' });
      expect(json.at(-1)!['cleanup']).to.include({ clean: true });
    });
  });
});

describe('the pipeline of the example distillery.yaml', function () {
  this.timeout(60_000);

  it('the example pipeline does what its call describes', async () => {
    const words = await readFile(new URL('../../docs/examples/words.yaml', import.meta.url), 'utf8');
    const gateway = await startTestGateway(
      `docker: { host: "${await sharedEngineHost()}" }
calls: { words: { params: [{ name: text }], pipeline: words.yaml } }`,
      { 'words.yaml': words },
    );
    try {
      const client = await connectWsClient(gateway.wsUrl, ['distillery.v2']);
      client.sendControl({ call: 'words', params: ['one two three'] });
      const { texts, json } = await client.readToEnd();
      expect(texts).to.have.members(['counting words', 'counting letters', '3 words of 11 letters']);
      expect(json.at(-1)).to.have.nested.property('value.outputs').that.deep.equals({ WORDS: '3', LETTERS: '11' });
    } finally {
      await gateway.stop();
    }
  });
});

describe('pipeline.run in the configuration', () => {
  it('the operator can remove pipeline.run', async () => {
    const gateway = await startTestGateway('pipelines: { run: false }');
    try {
      expect(await gateway.getJson('/api/v1/http/calls')).to.deep.equal([]);
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'pipeline.run', params: ['x'] });
      expect((await client.readToEnd()).json[0]).to.deep.include({ success: false });
    } finally {
      await gateway.stop();
    }
  });

  it('the operator can replace pipeline.run by a declared call', async () => {
    const gateway = await startTestGateway('calls: { pipeline.run: { process: [echo, mine] } }');
    try {
      const client = await connectWsClient(gateway.wsUrl);
      client.sendControl({ call: 'pipeline.run', params: [] });
      expect((await client.readToEnd()).texts).to.deep.equal(['mine']);
    } finally {
      await gateway.stop();
    }
  });
});
