// Pipelines by every way they are asked for over the wire: declared calls, and pipeline.run with a stock websocket client, on a real engine.

import { expect } from 'chai';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import type { RunRecord } from '../../protocol/record.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { pipelineThingsLeft } from '../helpers/leftovers.ts';
import { newestEnded, newestRuns, settled } from '../helpers/settled.ts';
import { wsClient } from '../helpers/ws-client.ts';

const greet = `
workflow: [hello, bye]
hello:
  image: busybox:latest
  script: echo "hello $who, $GREETING"
bye:
  image: busybox:latest
  condition: $who != "nobody"
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
secrets: { TOKEN: { file: token }, KEPT: { variable: DISTILLERY_TEST_KEPT, calls: [other] }, OPEN: { file: token, calls: [pipeline.run] } }
calls:
  greet:
    params: [{ name: who }, { name: code, default: "0" }]
    pipeline: { file: greet.yaml, variables: { GREETING: "how are you, \${who}?" } }
  other: { process: ["true"] }
`;

describe('pipelines that are called', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway(yaml(await sharedEngine()), { 'greet.yaml': greet, token: 'hidden-value\n' });
    await mkdir(join(gateway.folder, 'shared'));
    await writeFile(join(gateway.folder, 'shared/note'), 'a note\n');
    await mkdir(join(gateway.folder, 'work/sub'), { recursive: true });
    await writeFile(join(gateway.folder, 'work/sub/file'), 'from the gateway\n');
  });
  afterEach(async () => {
    await settled(gateway);
    expect(await pipelineThingsLeft()).to.deep.equal([]);
  });
  after(() => gateway.stop());

  async function call(name: string, params: readonly string[], input: readonly string[] = []) {
    const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
    client.control({ call: name, params });
    for (const line of input) client.text(line);
    client.control({ signal: 'close' });
    const { texts, json, code } = await client.rest();
    expect(code).to.equal(1000);
    return { texts, result: json.at(-1)!, events: json.flatMap(({ event }) => (event === undefined ? [] : [event as Record<string, unknown>])) };
  }

  it('declared ones run with params as variables, mounts relative to their file and their secrets masked', async () => {
    const { texts, result, events } = await call('greet', ['Ada']);
    expect(texts).to.deep.equal(['hello Ada, how are you, Ada?', 'a note', 'the token is ***']);
    expect(result).to.include({ success: true, status: 'succeeded' });
    expect(result['cleanup']).to.include({ clean: true });
    expect((result['value'] as { jobs: { status: string }[] }).jobs.map(({ status }) => status)).to.deep.equal(['succeeded', 'succeeded']);
    const spoken = events.filter(({ type }) => type === 'stream').map(({ job }) => job);
    expect(spoken).to.deep.equal(['hello', 'bye']);
  });

  it('declared ones fail with the exit code of the job that failed', async () => {
    const { result } = await call('greet', ['Ada', '3']);
    expect(result).to.include({ success: false, status: 'failed', exitCode: 3, message: 'job "bye" failed: command execution failed (exit code 3)' });
    expect(await newestEnded(gateway)).to.include({ call: 'greet', outcome: 'failed', exitCode: 3 });
  });

  it('declared ones follow their file without being told', async () => {
    await writeFile(join(gateway.folder, 'greet.yaml'), 'workflow: [now]\nnow: { image: "busybox:latest", script: "echo now" }');
    try {
      expect((await call('greet', ['Ada'])).texts).to.deep.equal(['now']);
      await writeFile(join(gateway.folder, 'greet.yaml'), 'workflow: [now]\nnow: { script: x }');
      const { result } = await call('greet', ['Ada']);
      expect(result).to.include({ status: 'failed' });
      expect(result['message']).to.match(/^greet\.yaml:2:\d+: now(\.\w+)?: either 'image' or 'dockerfile' must be specified/);
    } finally {
      await writeFile(join(gateway.folder, 'greet.yaml'), greet);
    }
  });

  it('a v1 client gets lines, and one result', async () => {
    const client = await wsClient(gateway.wsUrl);
    client.control({ call: 'greet', params: ['nobody'] });
    const { texts, json, code } = await client.rest();
    expect([texts, json, code]).to.deep.equal([['hello nobody, how are you, nobody?'], [{ success: true }], 1000]);
  });

  describe('pipeline.run', () => {
    const one = 'workflow: go\ngo: { image: "busybox:latest", script: "echo $A" }';

    it('runs what the caller brings, whose record has the digest of the text', async () => {
      const { texts, result } = await call('pipeline.run', [one, '{"variables":{"A":"b"}}']);
      expect(texts).to.deep.equal(['b']);
      expect(result).to.include({ status: 'succeeded' });
      const record = await newestEnded(gateway);
      expect(record.call).to.equal('pipeline.run');
      expect(record.params[0]).to.match(/^sha256:[0-9a-f]{16} \(\d+ bytes\)$/);
      expect(record.params[1]).to.equal('{"variables":{"A":"b"}}');
    });

    it('is listed with its scope', async () => {
      const listed = await gateway.getJson('/api/v1/http/calls/pipeline.run');
      expect(listed).to.include({ name: 'pipeline.run', kind: 'pipeline', scope: 'pipeline.run', available: true });
    });

    it('refuses a text with mistakes, with all of them, and stores no run', async () => {
      const [before] = await newestRuns(gateway);
      const { result } = await call('pipeline.run', ['workflow: [a, b]\na: { script: x }\nb: { script: y }', '{"file":"mine.yaml","nope":1}']);
      expect(result).to.include({ success: false, status: 'rejected' });
      const lines = String(result['message']).split('\n');
      expect(lines[0]).to.match(/^options: unknown option "nope"/);
      expect((await call('pipeline.run', ['workflow: [a, b]\na: { script: x }\nb: { script: y }', '{"file":"mine.yaml"}'])).result['message']).to.match(/^mine\.yaml:2:\d+: a(\.\w+)?: .*\nmine\.yaml:3:\d+: b(\.\w+)?: /);
      expect(await newestRuns(gateway)).to.deep.equal([before]);
    });

    it('refuses what the operator does not allow, before anything is stored', async () => {
      for (const [text, complaint] of [
        ['a: { host: true, script: id }', /host jobs are disabled/], ['a: { image: x, volumes: ["/etc:/x"] }', /"\/etc" may not be mounted/], ['a: { image: x, network: host }', /network of the host/],
        ['a: { image: x, secrets: [TOKEN] }', /the secret "TOKEN" is not one that this pipeline may use/], ['a: { image: x, secrets: [KEPT] }', /the secret "KEPT"/],
      ] as const) {
        const { result } = await call('pipeline.run', [`workflow: [a]\n${text}`]);
        expect(result, text).to.include({ status: 'rejected' });
        expect(result['message'], text).to.match(complaint);
      }
      expect((await call('pipeline.run', [one, '{"workspace":"/etc"}'])).result).to.include({ status: 'rejected' });
    });

    it('gets the secrets that name it, and no relative mounts', async () => {
      expect((await call('pipeline.run', ['workflow: a\na: { image: "busybox:latest", secrets: [OPEN], script: "echo x$OPEN" }'])).texts).to.deep.equal(['x***']);
      const { result } = await call('pipeline.run', ['workflow: a\na: { image: "busybox:latest", volumes: ["./shared:/x"], script: ls }']);
      expect(result['success']).to.equal(false);
      expect(result['message']).to.match(/relative to the pipeline's file/);
    });

    it('takes the files of its caller as its input, in lines of base64', async () => {
      const archive = pack();
      archive.entry({ name: 'a/file' }, 'of the caller\n');
      archive.finalize();
      const chunks: Buffer[] = [];
      for await (const chunk of archive) chunks.push(chunk as Buffer);
      const lines = Buffer.concat(chunks).toString('base64').match(/.{1,100}/g)!;
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "cat a/file" }';
      const { texts, result } = await call('pipeline.run', [text, '{"workspace":"input"}'], lines);
      expect(result).to.include({ status: 'succeeded' });
      expect(texts).to.deep.equal(['of the caller']);
      expect((result['cleanup'] as RunRecord['cleanup'])?.released.map(({ kind }) => kind)).to.include('folder');
    });

    it('fails when its input is no archive', async () => {
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "ls" }';
      const { result } = await call('pipeline.run', [text, '{"workspace":"input"}'], ['?!']);
      expect(result).to.include({ status: 'failed' });
      expect(result['message']).to.match(/base64/);
    });

    it('takes a folder that the operator allows', async () => {
      const text = 'workflow: go\ngo: { image: "busybox:latest", copyFiles: true, script: "cat file" }';
      expect((await call('pipeline.run', [text, JSON.stringify({ workspace: join(gateway.folder, 'work/sub') })])).texts).to.deep.equal(['from the gateway']);
    });

    it('is cancelled at once, whatever its jobs do', async () => {
      const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
      client.control({ call: 'pipeline.run', params: ['workflow: [a, b]\na: { image: "busybox:latest", parallel: true, script: "echo up; sleep 60" }\nb: { image: "busybox:latest", parallel: true, script: "echo up; sleep 60" }'] });
      let up = 0;
      while (up < 2) if ('text' in await client.next()) up += 1;
      client.control({ signal: 'cancel' });
      const { json } = await client.rest();
      expect(json.at(-1)).to.include({ success: false, status: 'cancelled' });
      expect(json.at(-1)!['cleanup']).to.include({ clean: true });
    });
  });
});

describe('the pipeline of the example distillery.yaml', function () {
  this.timeout(60_000);

  it('does what its call says', async () => {
    const words = await readFile(new URL('../../docs/examples/words.yaml', import.meta.url), 'utf8');
    const gateway = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\ncalls: { words: { params: [{ name: text }], pipeline: words.yaml } }`, { 'words.yaml': words });
    try {
      const client = await wsClient(gateway.wsUrl, ['distillery.v2']);
      client.control({ call: 'words', params: ['one two three'] });
      const { texts, json } = await client.rest();
      expect(texts).to.have.members(['counting words', 'counting letters', '3 words of 11 letters']);
      expect(json.at(-1)).to.have.nested.property('value.outputs').that.deep.equals({ WORDS: '3', LETTERS: '11' });
    } finally {
      await gateway.stop();
    }
  });
});

describe('the call pipeline.run', () => {
  it('is taken away by the operator', async () => {
    const gateway = await startTestGateway('pipelines: { run: false }');
    try {
      expect(await gateway.getJson('/api/v1/http/calls')).to.deep.equal([]);
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'pipeline.run', params: ['x'] });
      expect((await client.rest()).json[0]).to.deep.include({ success: false });
    } finally {
      await gateway.stop();
    }
  });

  it('is another one when the operator declares it', async () => {
    const gateway = await startTestGateway('calls: { pipeline.run: { process: [echo, mine] } }');
    try {
      const client = await wsClient(gateway.wsUrl);
      client.control({ call: 'pipeline.run', params: [] });
      expect((await client.rest()).texts).to.deep.equal(['mine']);
    } finally {
      await gateway.stop();
    }
  });
});
