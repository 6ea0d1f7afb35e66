// A pipeline is brought: what is taken, what is refused and how, and that each run is the one that was asked for.

import { expect } from 'chai';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { PinRefusal, pinErrors } from '../../../server/doors/pin/refusal.ts';
import { tableUnder, plain } from '../../helpers/documents.ts';
import { until } from '../../helpers/until.ts';
import { formOf, played, read, withPin, type PinStage, type Played, type StageOptions } from './stage.ts';

const post = (body: BodyInit, headers: Record<string, string> = {}): RequestInit => ({ method: 'POST', body, headers });

describe('POST /trigger', () => {
  it('pin defect 8: gives the id of the run, twice, whatever the content type', () => withPin(async ({ ask, over }) => {
    for (const type of ['application/yaml', 'text/plain', 'application/x-www-form-urlencoded', 'application/json', 'nonsense']) {
      const { status, json } = await ask('/trigger', post(played('usual'), { 'Content-Type': type }));
      expect(status, type).to.equal(200);
      expect(json).to.have.all.keys('status', 'message', 'run_id', 'pipeline_id', 'timestamp');
      expect(json).to.include({ status: 'accepted', message: 'Pipeline execution started', pipeline_id: json['run_id'] });
      expect(await over(json['run_id'] as string)).to.include({ status: 'success', source: 'http_endpoint' });
    }
  }));

  it('says that it is queued when others come first', () => withPin(async ({ ask, trigger, record, over }) => {
    const first = await trigger('waits');
    const { json } = await ask('/trigger', post(played('usual')));
    expect(json).to.include({ message: 'Pipeline execution queued' });
    const id = json['run_id'] as string;
    const waiting = await record(id);
    expect(waiting).to.include({ status: 'queued', started_at: waiting.queued_at });
    expect(waiting).not.to.have.any.keys('completed_at', 'error');
    await ask(`/runs/${first}/cancel`, { method: 'POST' });
    expect(await over(id)).to.include({ status: 'success' });
  }));

  it('runs as many at once as it may, the others first in, first out', () => withPin(async ({ ask, trigger, record, over, listen }) => {
    const reader = await listen();
    const [a, b] = [await trigger('waits'), await trigger('waits')];
    const later = [await trigger('usual'), await trigger('usual'), await trigger('usual')];
    await until('two run', async () => (await Promise.all([a, b].map(record))).every(({ status }) => status === 'running'));
    expect((await Promise.all(later.map(record))).map(({ status }) => status)).to.deep.equal(['queued', 'queued', 'queued']);
    await ask(`/runs/${a}/cancel`, { method: 'POST' });
    await over(later[2]!);
    expect(reader.events.filter(({ type, run_id }) => type === 'pipeline_started' && later.includes(run_id!)).map(({ run_id }) => run_id)).to.deep.equal(later);
    await ask(`/runs/${b}/cancel`, { method: 'POST' });
    reader.cut();
  }, { options: { maxConcurrent: 2 } }));

  it('refuses the one after a hundred that wait', () => withPin(async ({ ask, trigger }) => {
    for (let i = 0; i <= 100; i++) await trigger('waits');
    const { status, json, headers } = await ask('/trigger', post(played('usual')));
    expect([status, json['error'], headers.get('retry-after')]).to.deep.equal([503, 'queue_full', '10']);
  }));

  it('tells what is worth a word in a pipeline that it takes', () => withPin(async ({ ask }) => {
    const { status, json } = await ask('/trigger', post('# warning: {"message":"unknown key \\"imgae\\"","line":3}\n'));
    expect(status).to.equal(200);
    expect(json['warnings']).to.deep.equal([{ code: 'MISSING_FIELD', message: 'unknown key "imgae"', severity: 'warning', line: 3, column: 1, suggestions: [] }]);
  }));

  it('pin defect 7: forty different posts in bursts of eight are forty runs, each its own', () => withPin(async ({ ask, over, listen }) => {
    const reader = await listen();
    const ids = new Map<string, string>();
    for (let burst = 0; burst < 5; burst++) {
      await Promise.all(Array.from({ length: 8 }, async (_, at) => {
        const word = `word-${burst}-${at}`;
        const { json } = await ask('/trigger', post(`# play: says\n# word: ${word}\n`));
        ids.set(json['run_id'] as string, word);
      }));
    }
    expect(ids.size).to.equal(40);
    for (const id of ids.keys()) expect(await over(id)).to.include({ status: 'success' });
    await until('all is told', () => reader.events.filter(({ type }) => type === 'pipeline_complete').length === 40);
    const said = new Map(reader.events.filter(({ stream }) => stream === 'stdout').map(({ run_id, message }) => [run_id!, message]));
    expect(said).to.deep.equal(ids);
    reader.cut();
  }, { options: { maxConcurrent: 8 }, plays: { says } }));
});

async function says(it: Played, { text }: { readonly text: string }) {
  it.plan('build');
  it.job('build', `${/^# word: (.*)$/m.exec(text)![1]}\n`);
  return {};
}

describe('POST /trigger?wait=true', () => {
  it('answers with the record when the run is over', () => withPin(async ({ ask }) => {
    const { status, json } = await ask('/trigger?wait=true', post(played('usual')));
    expect(status).to.equal(200);
    expect(json).to.include({ status: 'success', source: 'http_endpoint' });
    expect(json['completed_at']).to.be.a('string');
    expect(json['jobs']).to.have.length(1);
  }));

  it('answers 500 with the record when it failed', () => withPin(async ({ ask }) => {
    const { status, json } = await ask('/trigger?wait=1', post(played('fails')));
    expect([status, json['error'], json['message']]).to.deep.equal([500, 'pipeline_failed', 'Pipeline execution failed']);
    expect(json['details']).to.include({ status: 'failed', error: "pipeline execution failed: job 'build' failed: command execution failed (exit code 1)" });
  }));

  it('answers 500 with the record when it was cancelled', () => withPin(async ({ ask, listen }) => {
    const reader = await listen();
    const waiting = ask('/trigger?wait=true', post(played('waits')));
    const { run_id: id } = await reader.event('pipeline_started');
    await ask(`/runs/${id}/cancel`, { method: 'POST' });
    expect((await waiting).json).to.include({ error: 'pipeline_failed', message: 'Pipeline execution cancelled' }).and.have.nested.property('details.status', 'cancelled');
    reader.cut();
  }));

  it('lets the run go on when its client leaves', () => withPin(async ({ port, listen, over, ask }) => {
    const reader = await listen();
    const sent = request({ port, host: '127.0.0.1', path: '/trigger?wait=true', method: 'POST', agent: false }).on('error', () => {});
    sent.end(played('waits'));
    const { run_id: id } = await reader.event('pipeline_started');
    sent.destroy();
    expect((await ask(`/runs/${id}`)).json).to.include({ status: 'running' });
    await ask(`/runs/${id}/cancel`, { method: 'POST' });
    expect(await over(id!)).to.include({ status: 'cancelled' });
    reader.cut();
  }));

  it('refuses other words', () => withPin(async ({ ask }) => {
    expect((await ask('/trigger?wait=maybe', post(played('usual')))).json).to.include({ error: 'invalid_request', message: 'wait must be true or false, not "maybe"' });
  }));
});

describe('an error of the pin API', () => {
  interface Refused {
    readonly status: number;
    readonly error: string;
    readonly why: string;
    readonly options?: StageOptions;
    ask(stage: PinStage): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> }>;
  }
  const refused: readonly Refused[] = [
    { status: 400, error: 'empty_body', why: 'the body is empty', ask: ({ ask }) => ask('/trigger', post('')) },
    { status: 400, error: 'empty_body', why: 'the body is white space', ask: ({ ask }) => ask('/trigger', post(' \n\t ')) },
    { status: 400, error: 'empty_body', why: 'a form has no pipeline', ask: ({ ask }) => ask('/trigger', post(formOf({ other: 'x' }))) },
    { status: 400, error: 'invalid_yaml', why: 'the body is not YAML', ask: ({ ask }) => ask('/trigger', post('# error: {"code":"INVALID_CONFIG","message":"failed to parse YAML configuration: x"}\n')) },
    { status: 400, error: 'invalid_yaml', why: 'the body is not text', ask: ({ ask }) => ask('/trigger', post(Buffer.from([0x61, 0xff, 0xfe]))) },
    { status: 400, error: 'validation_failed', why: 'the pipeline is wrong', ask: ({ ask }) => ask('/trigger', post('# error: {}\n')) },
    { status: 400, error: 'invalid_request', why: 'a form has no boundary', ask: ({ ask }) => ask('/trigger', post('x', { 'Content-Type': 'multipart/form-data' })) },
    { status: 400, error: 'invalid_request', why: 'a form ends in the middle', ask: ({ ask }) => ask('/trigger', post('--x\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\nabc', { 'Content-Type': 'multipart/form-data; boundary=x' })) },
    { status: 400, error: 'invalid_request', why: 'a part is there twice', ask: ({ ask }) => ask('/trigger', post(twice())) },
    { status: 400, error: 'invalid_request', why: 'there are more parts than anybody needs', ask: ({ ask }) => ask('/trigger', post(formOf({ ...manyParts(20), pipeline: played('usual') }))) },
    { status: 401, error: 'unauthorized', why: 'there is no token', options: { options: { token: { variable: 'T' } }, secrets: { T: 'secret' } }, ask: ({ ask }) => ask('/trigger', post(played('usual'))) },
    { status: 403, error: 'forbidden', why: 'it comes from a page of elsewhere', ask: ({ ask }) => ask('/trigger', post(played('usual'), { Origin: 'http://evil.example' })) },
    { status: 404, error: 'not_found', why: 'there is nothing', ask: ({ ask }) => ask('/nothing') },
    { status: 405, error: 'method_not_allowed', why: 'it is the wrong method', ask: ({ ask }) => ask('/trigger') },
    { status: 409, error: 'run_finished', why: 'what is to be cancelled is over', ask: async ({ ask, trigger, over }) => {
      const id = await trigger('usual');
      await over(id);
      return ask(`/runs/${id}/cancel`, { method: 'POST' });
    } },
    { status: 413, error: 'body_too_large', why: 'the YAML is more than 1 MiB', ask: ({ ask }) => ask('/trigger', post('#'.repeat((1 << 20) + 1))) },
    { status: 413, error: 'body_too_large', why: 'the YAML in a form is', ask: ({ ask }) => ask('/trigger', post(formOf({ pipeline: '#'.repeat((1 << 20) + 1) }))) },
    { status: 413, error: 'body_too_large', why: 'there are too many files', options: { limits: { workspaceBytesMax: 1000 } }, ask: ({ ask }) => ask('/trigger', post(formOf({ pipeline: played('usual'), files: Buffer.alloc(2 << 20) }))) },
    { status: 500, error: 'pipeline_failed', why: 'it was waited for, and failed', ask: ({ ask }) => ask('/trigger?wait=true', post(played('fails'))) },
    { status: 500, error: 'internal_error', why: 'the mistake is ours', options: { artifacts: () => { throw new Error('secret cause'); } }, ask: async ({ ask, trigger }) => ask(`/runs/${await trigger('usual')}/artifacts`) },
    { status: 503, error: 'not_ready', why: 'the gateway is stopping', ask: ({ ask, door }) => {
      door.admitNoMore();
      return ask('/trigger', post(played('usual')));
    } },
    { status: 503, error: 'queue_full', why: 'a hundred wait', ask: async ({ ask, trigger }) => {
      for (let i = 0; i <= 100; i++) await trigger('waits');
      return ask('/trigger', post(played('usual')));
    } },
  ];

  it('is one of the table', () => {
    expect([...new Set(refused.map(({ error }) => error))]).to.have.members(Object.keys(pinErrors));
    for (const { error, status } of refused) expect(new PinRefusal(error as keyof typeof pinErrors, '').status).to.equal(status);
  });

  it('is in the document', () => {
    const rows = tableUnder('pin.md', 'Errors').map((row) => [plain(row['error']!), Number(row['status'])]);
    expect(Object.fromEntries(rows)).to.deep.equal(pinErrors);
  });

  for (const { status, error, why, options, ask } of refused) {
    it(`is ${status} ${error} when ${why}`, () => withPin(async (stage) => {
      const told = await ask(stage);
      expect([told.status, told.json['error']]).to.deep.equal([status, error]);
      expect(told.json['message']).to.be.a('string').and.not.equal('').and.not.contain('secret cause');
      expect(await readdir(join(stage.folder, 'pin', 'uploads'))).to.deep.equal([]);
    }, options));
  }

  it('reaches a client that sends more than anybody reads', () => withPin(async ({ port }) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.on('data', (text: Buffer) => { heard += text.toString(); }).on('error', () => {});
    socket.write('POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n');
    socket.write(Buffer.alloc(4 << 20, 'x'));
    await until('it is told', () => heard.includes('body_too_large'));
    socket.destroy();
  }));
});

describe('a body that does not come', () => {
  const begin = 'POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 60000\r\n\r\n--x\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\nabc';

  it('to its end leaves nothing behind', () => withPin(async ({ port, folder, ask }) => {
    const uploads = async (): Promise<number> => (await readdir(join(folder, 'pin', 'uploads'))).length;
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.write(begin);
    await until('it has begun', async () => (await uploads()) === 1);
    socket.destroy();
    await until('it is gone', async () => (await uploads()) === 0);
    expect((await ask('/runs')).json['runs']).to.deep.equal([]);
  }));

  for (const [what, text] of [['a form', begin], ['a text', 'POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nabc']] as const) {
    it(`as ${what} is waited for no longer than a head is`, () => withPin(async ({ port, folder }) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      let heard = '';
      socket.on('data', (bytes: Buffer) => { heard += bytes.toString(); });
      socket.write(text);
      await until('it is told', () => heard.includes('invalid_request'));
      expect(heard).to.contain('nothing of it came for');
      socket.destroy();
      expect(await readdir(join(folder, 'pin', 'uploads'))).to.deep.equal([]);
    }, { limits: { requestMs: 100 } }));
  }
});

describe('a pipeline with errors', () => {
  const errors = [
    { message: "either 'image' or 'dockerfile' must be specified", job: 'Build', field: 'Image', line: 7, column: 3 },
    { message: "'copyFiles' must be a boolean value", code: 'INVALID_FIELD_TYPE', job: 'Build', field: 'copyfiles', line: 8, column: 5 },
    { message: "job 'X' is not defined or is empty", line: 1, column: 12 },
  ];
  const text = errors.map((error) => `# error: ${JSON.stringify(error)}\n`).join('');

  it('pin defect 22: is refused with all of them, each with its place and as its author spelled it', () => withPin(async ({ ask }) => {
    const { status, json } = await ask('/trigger', post(`${text}# warning: {}\n`));
    expect(status).to.equal(400);
    expect(json).to.include({ error: 'validation_failed', message: "Pipeline validation failed: either 'image' or 'dockerfile' must be specified" });
    expect(json['details']).to.deep.equal({ job: 'Build', field: 'Image', line: 7, column: 3 });
    expect(json['errors']).to.deep.equal(errors.map((error) => ({ code: 'MISSING_FIELD', severity: 'error', suggestions: [], ...error })));
  }));

  it('pin defect 8: makes no run', () => withPin(async ({ ask }) => {
    await ask('/trigger', post(text));
    expect((await ask('/runs')).json['runs']).to.deep.equal([]);
  }));

  it('is told to those who listen, without a run', () => withPin(async ({ ask, listen }) => {
    const reader = await listen();
    await ask('/trigger', post(text));
    const { run_id, error, source, message, level } = await reader.event('pipeline_error');
    expect({ run_id, error, source, message, level }).to.deep.equal({
      run_id: undefined, source: 'http_endpoint', message: 'Pipeline execution failed', level: 'error',
      error: "pipeline validation failed: either 'image' or 'dockerfile' must be specified",
    });
    expect(reader.events.map(({ type }) => type).slice(-2)).to.deep.equal(['pipeline_trigger', 'pipeline_error']);
    reader.cut();
  }));

  it('that is not YAML at all is told with the detail', () => withPin(async ({ ask, listen }) => {
    const reader = await listen();
    await ask('/trigger', post('# error: {"code":"INVALID_CONFIG","message":"failed to parse YAML configuration: bad indentation"}\n'));
    expect(await reader.event('pipeline_error')).to.include({ error: 'failed to parse YAML configuration: bad indentation' });
    reader.cut();
  }));
});

describe('a trigger that cannot be read', () => {
  const words: readonly (readonly [string, (stage: PinStage) => Promise<unknown>, string])[] = [
    ['a form without a boundary', ({ ask }) => ask('/trigger', post('x', { 'Content-Type': 'multipart/form-data' })), 'the request cannot be read: '],
    ['a parameter of other words', ({ ask }) => ask('/trigger?wait=maybe', post(played('usual'))), 'wait must be true or false'],
  ];
  for (const [what, ask, why] of words) {
    it(`as ${what} is told to those who listen, without a run`, () => withPin(async (stage) => {
      const reader = await stage.listen();
      await ask(stage);
      await ask(stage);
      await until('both are told', () => reader.events.filter(({ type }) => type === 'pipeline_error').length === 2);
      const { run_id, error, source } = await reader.event('pipeline_error');
      expect({ run_id, source }).to.deep.equal({ run_id: undefined, source: 'http_endpoint' });
      expect(error).to.match(new RegExp(`^${why}`));
      expect(reader.events.map(({ type }) => type).slice(-4)).to.deep.equal(['pipeline_trigger', 'pipeline_error', 'pipeline_trigger', 'pipeline_error']);
      reader.cut();
    }));
  }

  it('because it is too large is told to nobody', () => withPin(async ({ ask, listen }) => {
    const reader = await listen();
    await ask('/trigger', post('#'.repeat((1 << 20) + 1)));
    await ask('/trigger', post(''));
    expect(await reader.event('pipeline_error')).to.include({ error: 'Empty YAML configuration' });
    reader.cut();
  }));
});

describe('a trigger with files', () => {
  it('pin defect 24: hands them to the run as they are', () => withPin(async ({ ask, folder }) => {
    const files = Buffer.from(Array.from({ length: 3 << 20 }, (_, at) => at % 251));
    for (const parts of [{ pipeline: played('reads'), files }, { files, pipeline: played('reads') }, { files, pipeline: Buffer.from(played('reads')), other: 'x' }]) {
      const { status, json } = await ask('/trigger?wait=true', post(formOf(parts)));
      expect(status, JSON.stringify(json)).to.equal(200);
    }
    expect(seen).to.deep.equal([files.length, files.length, files.length]);
    await until('the files are gone', async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0);
  }, {
    plays: {
      async reads(it, spec) {
        expect(spec.workspace).to.deep.equal({ from: 'input', encoding: 'binary' });
        const bytes = await read(it.input);
        expect(bytes.every((byte, at) => byte === at % 251)).to.equal(true);
        seen.push(bytes.length);
        return {};
      },
    },
  }));

  it('holds no more of them in memory than the run asks for, and removes them when it is cancelled while it waits', () => withPin(async ({ ask, trigger, heart, folder, over }) => {
    const first = await trigger('waits');
    const { json } = await ask('/trigger', post(formOf({ pipeline: played('usual'), files: Buffer.alloc(20 << 20) })));
    const id = json['run_id'] as string;
    const live = heart.runs.attach(id, { user: 'pin', token: true, scopes: ['*'] }).live!;
    await until('as much of it is there as may be', () => live.input.totals.received >= 256 << 10);
    expect(live.input.totals).to.deep.equal({ received: 256 << 10, taken: 0 });
    await ask(`/runs/${id}/cancel`, { method: 'POST' });
    expect(await over(id)).to.include({ status: 'cancelled' });
    await until('the files are gone', async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0);
    await ask(`/runs/${first}/cancel`, { method: 'POST' });
  }));

  it('drops what a run does not read', () => withPin(async ({ ask, folder }) => {
    const { status } = await ask('/trigger?wait=true', post(formOf({ pipeline: played('usual'), files: Buffer.alloc(5 << 20) })));
    expect(status).to.equal(200);
    await until('the files are gone', async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0);
  }));

  it('without them takes the folder of the options, or none', async () => {
    for (const [workspace, expected] of [[undefined, { from: 'nowhere' }], ['/srv/work', { from: 'folder', path: '/srv/work' }]] as const) {
      await withPin(async ({ ask }) => {
        for (const body of [played('looks'), formOf({ pipeline: played('looks') })]) expect((await ask('/trigger?wait=true', post(body))).status).to.equal(200);
      }, {
        options: { ...(workspace !== undefined && { workspace }) },
        plays: { async looks(_it, spec) { expect(spec.workspace).to.deep.equal(expected); return {}; } },
      });
    }
  });
});

const seen: number[] = [];

function manyParts(count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`other${at}`, 'x']));
}

function twice(): FormData {
  const form = formOf({ pipeline: played('usual') });
  form.append('pipeline', played('usual'));
  return form;
}
