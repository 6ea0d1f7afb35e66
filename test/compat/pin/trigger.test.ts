// Tests POST /trigger: accepted pipelines, rejected ones with their errors, and files of a run.

import { readdir } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { PinHttpError, pinErrors } from '../../../server/compat/pin/errors.ts';
import {
  createForm,
  type PinFixture,
  type PinFixtureOptions,
  read,
  type ScriptContext,
  scriptedPipeline,
  withPin,
} from '../../helpers/compat/scripted-pin-server.ts';
import { readTable, stripMarkup } from '../../helpers/docs/markdown-tables.ts';
import { endlessGraceMs, waitUntil } from '../../helpers/wait-until.ts';

const post = (body: BodyInit, headers: Record<string, string> = {}): RequestInit => ({ method: 'POST', body, headers });

describe('POST /trigger', () => {
  it('pin defect 8: the response has the run id in both fields, whatever the content type', () =>
    withPin(async ({ request, ended }) => {
      for (const type of [
        'application/yaml',
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/json',
        'nonsense',
      ]) {
        const { status, json } = await request('/trigger', post(scriptedPipeline('usual'), { 'Content-Type': type }));
        expect(status, type).to.equal(200);
        expect(json).to.have.all.keys('status', 'message', 'run_id', 'pipeline_id', 'timestamp');
        expect(json).to.include({
          status: 'triggered',
          message: 'Pipeline execution started',
          pipeline_id: json['run_id'],
        });
        expect(await ended(json['run_id'] as string)).to.include({ status: 'success', source: 'http_endpoint' });
      }
    }));

  it('L23: the status of a trigger is triggered, and accepted below /named', () =>
    withPin(async ({ request, ended }) => {
      for (const [path, status] of [
        ['/trigger', 'triggered'],
        ['/trigger?wait=false', 'triggered'],
        ['/unnamed/trigger', 'triggered'],
        ['/named/trigger', 'accepted'],
        ['/named/trigger/', 'accepted'],
      ] as const) {
        const { json } = await request(path, post(scriptedPipeline('usual')));
        expect(json, path).to.include({ status });
        await ended(json['run_id'] as string);
      }
    }));

  it('the response says that a pipeline is queued behind others', () =>
    withPin(async ({ request, trigger, record, ended }) => {
      const first = await trigger('waits');
      const { json } = await request('/trigger', post(scriptedPipeline('usual')));
      expect(json).to.include({ message: 'Pipeline execution queued' });
      const id = json['run_id'] as string;
      const waiting = await record(id);
      expect(waiting).to.include({ status: 'queued', started_at: waiting.queued_at });
      expect(waiting).not.to.have.any.keys('completed_at', 'error');
      await request(`/runs/${first}/cancel`, { method: 'POST' });
      expect(await ended(id)).to.include({ status: 'success' });
    }));

  it('at most maxConcurrent pipelines run at once; the others start first in, first out', () =>
    withPin(
      async ({ request, trigger, record, ended, listen }) => {
        const reader = await listen();
        const [a, b] = [await trigger('waits'), await trigger('waits')];
        const later = [await trigger('usual'), await trigger('usual'), await trigger('usual')];
        await waitUntil('two runs are active', async () =>
          (await Promise.all([a, b].map(record))).every(({ status }) => status === 'running'),
        );
        expect((await Promise.all(later.map(record))).map(({ status }) => status)).to.deep.equal([
          'queued',
          'queued',
          'queued',
        ]);
        await request(`/runs/${a}/cancel`, { method: 'POST' });
        await ended(later[2]!);
        expect(
          reader.events
            .filter(({ type, run_id }) => type === 'pipeline_started' && later.includes(run_id!))
            .map(({ run_id }) => run_id),
        ).to.deep.equal(later);
        await request(`/runs/${b}/cancel`, { method: 'POST' });
        reader.cut();
      },
      { options: { maxConcurrent: 2 } },
    ));

  it('a pipeline is rejected if a hundred are waiting', () =>
    withPin(async ({ request, trigger }) => {
      for (let i = 0; i <= 100; i++) await trigger('waits');
      const { status, json, headers } = await request('/trigger', post(scriptedPipeline('usual')));
      expect([status, json['error'], headers.get('retry-after')]).to.deep.equal([503, 'queue_full', '10']);
    }));

  it('the response contains the warnings of an accepted pipeline', () =>
    withPin(async ({ request }) => {
      const { status, json } = await request(
        '/trigger',
        post('# warning: {"message":"unknown key \\"imgae\\"","line":3}\n'),
      );
      expect(status).to.equal(200);
      expect(json['warnings']).to.deep.equal([
        {
          code: 'MISSING_FIELD',
          message: 'unknown key "imgae"',
          severity: 'warning',
          line: 3,
          column: 1,
          suggestions: [],
        },
      ]);
    }));

  it('pin defect 7: forty requests in bursts of eight are forty separate runs', () =>
    withPin(
      async ({ request, ended, listen }) => {
        const reader = await listen();
        const ids = new Map<string, string>();
        for (let burst = 0; burst < 5; burst++) {
          await Promise.all(
            Array.from({ length: 8 }, async (_, at) => {
              const word = `word-${burst}-${at}`;
              const { json } = await request('/trigger', post(`# play: prints\n# word: ${word}\n`));
              ids.set(json['run_id'] as string, word);
            }),
          );
        }
        expect(ids.size).to.equal(40);
        for (const id of ids.keys()) expect(await ended(id)).to.include({ status: 'success' });
        await waitUntil(
          'all runs end',
          () => reader.events.filter(({ type }) => type === 'pipeline_complete').length === 40,
        );
        const outputs = new Map(
          reader.events.filter(({ stream }) => stream === 'stdout').map(({ run_id, message }) => [run_id!, message]),
        );
        expect(outputs).to.deep.equal(ids);
        reader.cut();
      },
      { options: { maxConcurrent: 8 }, scripts: { prints } },
    ));
});

async function prints(script: ScriptContext, { text }: { readonly text: string }) {
  script.plan('build');
  script.job('build', `${/^# word: (.*)$/m.exec(text)![1]}\n`);
  return {};
}

describe('POST /trigger?wait=true', () => {
  it('a waiting request gets the record when the run has ended', () =>
    withPin(async ({ request }) => {
      const { status, json } = await request('/trigger?wait=true', post(scriptedPipeline('usual')));
      expect(status).to.equal(200);
      expect(json).to.include({ status: 'success', source: 'http_endpoint' });
      expect(json['completed_at']).to.be.a('string');
      expect(json['jobs']).to.have.length(1);
    }));

  it('a waiting request gets 500 with the record if the run failed', () =>
    withPin(async ({ request }) => {
      const { status, json } = await request('/trigger?wait=1', post(scriptedPipeline('fails')));
      expect([status, json['error'], json['message']]).to.deep.equal([
        500,
        'pipeline_failed',
        'Pipeline execution failed',
      ]);
      expect(json['details']).to.include({
        status: 'failed',
        error: "pipeline execution failed: job 'build' failed: command execution failed (exit code 1)",
      });
    }));

  it('a waiting request gets 500 with the record if the run was cancelled', () =>
    withPin(async ({ request, listen }) => {
      const reader = await listen();
      const waiting = request('/trigger?wait=true', post(scriptedPipeline('waits')));
      const { run_id: id } = await reader.event('pipeline_started');
      await request(`/runs/${id}/cancel`, { method: 'POST' });
      expect((await waiting).json)
        .to.include({ error: 'pipeline_failed', message: 'Pipeline execution cancelled' })
        .and.have.nested.property('details.status', 'cancelled');
      reader.cut();
    }));

  it('a run continues if the client of a waiting request disconnects', () =>
    withPin(async ({ port, listen, ended, request }) => {
      const reader = await listen();
      const sent = httpRequest({
        port,
        host: '127.0.0.1',
        path: '/trigger?wait=true',
        method: 'POST',
        agent: false,
      }).on('error', () => {});
      sent.end(scriptedPipeline('waits'));
      const { run_id: id } = await reader.event('pipeline_started');
      sent.destroy();
      expect((await request(`/runs/${id}`)).json).to.include({ status: 'running' });
      await request(`/runs/${id}/cancel`, { method: 'POST' });
      expect(await ended(id!)).to.include({ status: 'cancelled' });
      reader.cut();
    }));

  it('values of the parameter wait other than true and false are rejected', () =>
    withPin(async ({ request }) => {
      expect((await request('/trigger?wait=maybe', post(scriptedPipeline('usual')))).json).to.include({
        error: 'invalid_request',
        message: 'wait must be true or false, not "maybe"',
      });
    }));
});

describe('the errors of the pin API', () => {
  interface ErrorCase {
    readonly status: number;
    readonly error: string;
    readonly reason: string;
    readonly options?: PinFixtureOptions;
    send(fixture: PinFixture): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> }>;
  }
  const errorCases: readonly ErrorCase[] = [
    {
      status: 400,
      error: 'empty_body',
      reason: 'the body is empty',
      send: ({ request }) => request('/trigger', post('')),
    },
    {
      status: 400,
      error: 'empty_body',
      reason: 'the body is white space',
      send: ({ request }) => request('/trigger', post(' \n\t ')),
    },
    {
      status: 400,
      error: 'empty_body',
      reason: 'a form has no pipeline',
      send: ({ request }) => request('/trigger', post(createForm({ other: 'x' }))),
    },
    {
      status: 400,
      error: 'invalid_yaml',
      reason: 'the body is not YAML',
      send: ({ request }) =>
        request(
          '/trigger',
          post('# error: {"code":"INVALID_CONFIG","message":"failed to parse YAML configuration: x"}\n'),
        ),
    },
    {
      status: 400,
      error: 'invalid_yaml',
      reason: 'the body is not text',
      send: ({ request }) => request('/trigger', post(Buffer.from([0x61, 0xff, 0xfe]))),
    },
    {
      status: 400,
      error: 'invalid_yaml',
      reason: 'L4: the body is UTF-16',
      send: ({ request }) => request('/trigger', post(Buffer.from('\ufeffworkflow: [a]\n', 'utf16le'))),
    },
    {
      status: 400,
      error: 'invalid_yaml',
      reason: 'L4: the pipeline of a form is not UTF-8',
      send: ({ request }) => request('/trigger', post(createForm({ pipeline: Buffer.from('# caf\u00e9', 'latin1') }))),
    },
    {
      status: 400,
      error: 'validation_failed',
      reason: 'the pipeline is invalid',
      send: ({ request }) => request('/trigger', post('# error: {}\n')),
    },
    {
      status: 400,
      error: 'invalid_request',
      reason: 'a form has no boundary',
      send: ({ request }) => request('/trigger', post('x', { 'Content-Type': 'multipart/form-data' })),
    },
    {
      status: 400,
      error: 'invalid_request',
      reason: 'a form ends in the middle',
      send: ({ request }) =>
        request(
          '/trigger',
          post('--x\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\nabc', {
            'Content-Type': 'multipart/form-data; boundary=x',
          }),
        ),
    },
    {
      status: 400,
      error: 'invalid_request',
      reason: 'a part occurs twice',
      send: ({ request }) => request('/trigger', post(createDoubleForm())),
    },
    {
      status: 400,
      error: 'invalid_request',
      reason: 'a form has too many parts',
      send: ({ request }) =>
        request('/trigger', post(createForm({ ...createParts(20), pipeline: scriptedPipeline('usual') }))),
    },
    {
      status: 401,
      error: 'unauthorized',
      reason: 'there is no token',
      options: { options: { token: { variable: 'T' } }, secrets: { T: 'secret' } },
      send: ({ request }) => request('/trigger', post(scriptedPipeline('usual'))),
    },
    {
      status: 403,
      error: 'forbidden',
      reason: 'the request comes from a page of another origin',
      send: ({ request }) => request('/trigger', post(scriptedPipeline('usual'), { Origin: 'http://evil.example' })),
    },
    { status: 404, error: 'not_found', reason: 'the path is unknown', send: ({ request }) => request('/nothing') },
    {
      status: 405,
      error: 'method_not_allowed',
      reason: 'the method is wrong',
      send: ({ request }) => request('/trigger'),
    },
    {
      status: 409,
      error: 'run_finished',
      reason: 'the run to cancel has ended',
      send: async ({ request, trigger, ended }) => {
        const id = await trigger('usual');
        await ended(id);
        return request(`/runs/${id}/cancel`, { method: 'POST' });
      },
    },
    {
      status: 413,
      error: 'body_too_large',
      reason: 'the YAML is more than 1 MiB',
      send: ({ request }) => request('/trigger', post('#'.repeat((1 << 20) + 1))),
    },
    {
      status: 413,
      error: 'body_too_large',
      reason: 'the YAML in a form is more than 1 MiB',
      send: ({ request }) => request('/trigger', post(createForm({ pipeline: '#'.repeat((1 << 20) + 1) }))),
    },
    {
      status: 413,
      error: 'body_too_large',
      reason: 'there are too many files',
      options: { limits: { workspaceBytesMax: 1000 } },
      send: ({ request }) =>
        request('/trigger', post(createForm({ pipeline: scriptedPipeline('usual'), files: Buffer.alloc(2 << 20) }))),
    },
    {
      status: 500,
      error: 'pipeline_failed',
      reason: 'the client waits and the run fails',
      send: ({ request }) => request('/trigger?wait=true', post(scriptedPipeline('fails'))),
    },
    {
      status: 500,
      error: 'internal_error',
      reason: 'the gateway has a defect',
      options: {
        artifacts: () => {
          throw new Error('secret cause');
        },
      },
      send: async ({ request, trigger }) => request(`/runs/${await trigger('usual')}/artifacts`),
    },
    {
      status: 503,
      error: 'not_ready',
      reason: 'the gateway is stopping',
      send: ({ request, server }) => {
        server.drain();
        return request('/trigger', post(scriptedPipeline('usual')));
      },
    },
    {
      status: 503,
      error: 'queue_full',
      reason: 'a hundred pipelines wait',
      send: async ({ request, trigger }) => {
        for (let i = 0; i <= 100; i++) await trigger('waits');
        return request('/trigger', post(scriptedPipeline('usual')));
      },
    },
  ];

  it('these tests cover exactly the errors that pinErrors lists', () => {
    expect([...new Set(errorCases.map(({ error }) => error))]).to.have.members(Object.keys(pinErrors));
    for (const { error, status } of errorCases)
      expect(new PinHttpError(error as keyof typeof pinErrors, '').status).to.equal(status);
  });

  it('the table of errors in docs/pin.md matches the code', () => {
    const rows = readTable('pin.md', 'Errors').map((row) => [stripMarkup(row['error']!), Number(row['status'])]);
    expect(Object.fromEntries(rows)).to.deep.equal(pinErrors);
  });

  for (const { status, error, reason, options, send } of errorCases) {
    it(`the response is ${status} ${error} if ${reason}`, () =>
      withPin(async (fixture) => {
        const response = await send(fixture);
        expect([response.status, response.json['error']]).to.deep.equal([status, error]);
        expect(response.json['message']).to.be.a('string').and.not.equal('').and.not.contain('secret cause');
        // The response can arrive before the received files are removed.
        await waitUntil(
          'no upload is left',
          async () => (await readdir(join(fixture.folder, 'pin', 'uploads'))).length === 0,
        );
      }, options));
  }

  it('the error reaches a client that still sends a body above the limit', () =>
    withPin(async ({ port }) => {
      const socket = connect(port, '127.0.0.1');
      let received = '';
      socket
        .on('data', (text: Buffer) => {
          received += text.toString();
        })
        .on('error', () => {});
      socket.write('POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n');
      socket.write(Buffer.alloc(4 << 20, 'x'));
      await waitUntil('the error arrives', () => received.includes('body_too_large'));
      socket.destroy();
    }));
});

describe('a request body that stops arriving', () => {
  const begin =
    'POST /trigger HTTP/1.1\r\nHost: localhost\r\n' +
    'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 60000\r\n\r\n' +
    '--x\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\nabc';

  const beginText = 'POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nabc';

  it('an aborted form leaves no upload behind', () =>
    withPin(
      async ({ port, folder, request }) => {
        const uploads = async (): Promise<number> => (await readdir(join(folder, 'pin', 'uploads'))).length;
        const socket = connect(port, '127.0.0.1').on('error', () => {});
        socket.write(begin);
        await waitUntil('the upload has started', async () => (await uploads()) === 1);
        socket.destroy();
        await waitUntil('the upload is removed', async () => (await uploads()) === 0);
        expect((await request('/runs')).json['runs']).to.deep.equal([]);
      },
      { limits: { requestMs: endlessGraceMs } },
    ));

  for (const [what, text] of [
    ['a form that is cut off', begin],
    ['a text that is cut off', beginText],
    ['a text with a broken chunk', 'POST /trigger HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx'],
  ] as const) {
    it(`the pin API rejects ${what} at once`, () =>
      withPin(
        async ({ port, request }) => {
          const socket = connect(port, '127.0.0.1').on('error', () => {});
          let received = '';
          socket.on('data', (bytes: Buffer) => {
            received += bytes.toString();
          });
          socket.end(text);
          await waitUntil('the connection is closed', () => socket.destroyed);
          expect(received).to.match(/^HTTP\/1\.1 400 /);
          expect((await request('/runs')).json['runs']).to.deep.equal([]);
        },
        { limits: { requestMs: endlessGraceMs } },
      ));
  }

  for (const [what, text] of [
    ['a form', begin],
    ['a text', beginText],
  ] as const) {
    it(`the pin API waits for the rest of ${what} no longer than the request timeout`, () =>
      withPin(
        async ({ port, folder }) => {
          const socket = connect(port, '127.0.0.1').on('error', () => {});
          let received = '';
          socket.on('data', (bytes: Buffer) => {
            received += bytes.toString();
          });
          socket.write(text);
          await waitUntil('the error arrives', () => received.includes('invalid_request'));
          expect(received).to.contain('no byte arrived for');
          socket.destroy();
          expect(await readdir(join(folder, 'pin', 'uploads'))).to.deep.equal([]);
        },
        { limits: { requestMs: 100 } },
      ));
  }
});

describe('a pipeline with errors', () => {
  const errors = [
    { message: "either 'image' or 'dockerfile' must be specified", job: 'Build', field: 'Image', line: 7, column: 3 },
    {
      message: "'copyFiles' must be a boolean value",
      code: 'INVALID_FIELD_TYPE',
      job: 'Build',
      field: 'copyfiles',
      line: 8,
      column: 5,
    },
    { message: "job 'X' is not defined or is empty", line: 1, column: 12 },
  ];
  const text = errors.map((error) => `# error: ${JSON.stringify(error)}\n`).join('');

  it('pin defect 22: the response has all errors, with positions and the original spelling', () =>
    withPin(async ({ request }) => {
      const { status, json } = await request('/trigger', post(`${text}# warning: {}\n`));
      expect(status).to.equal(400);
      expect(json).to.include({
        error: 'validation_failed',
        message: "Pipeline validation failed: either 'image' or 'dockerfile' must be specified",
      });
      expect(json['details']).to.deep.equal({ job: 'Build', field: 'Image', line: 7, column: 3 });
      expect(json['errors']).to.deep.equal(
        errors.map((error) => ({ code: 'MISSING_FIELD', severity: 'error', suggestions: [], ...error })),
      );
    }));

  it('pin defect 8: a pipeline with errors creates no run', () =>
    withPin(async ({ request }) => {
      await request('/trigger', post(text));
      expect((await request('/runs')).json['runs']).to.deep.equal([]);
    }));

  it('a pipeline with errors is reported to all clients, without a run id', () =>
    withPin(async ({ request, listen }) => {
      const reader = await listen();
      await request('/trigger', post(text));
      const { run_id, error, source, message, level } = await reader.event('pipeline_error');
      expect({ run_id, error, source, message, level }).to.deep.equal({
        run_id: undefined,
        source: 'http_endpoint',
        message: 'Pipeline execution failed',
        level: 'error',
        error: "pipeline validation failed: either 'image' or 'dockerfile' must be specified",
      });
      expect(reader.events.map(({ type }) => type).slice(-2)).to.deep.equal(['pipeline_trigger', 'pipeline_error']);
      reader.cut();
    }));

  it('a body that is not YAML is reported to all clients, with the reason', () =>
    withPin(async ({ request, listen }) => {
      const reader = await listen();
      await request(
        '/trigger',
        post('# error: {"code":"INVALID_CONFIG","message":"failed to parse YAML configuration: bad indentation"}\n'),
      );
      expect(await reader.event('pipeline_error')).to.include({
        error: 'failed to parse YAML configuration: bad indentation',
      });
      reader.cut();
    }));
});

describe('a trigger request that cannot be read', () => {
  const unreadable: readonly (readonly [string, (fixture: PinFixture) => Promise<unknown>, string])[] = [
    [
      'a form without a boundary',
      ({ request }) => request('/trigger', post('x', { 'Content-Type': 'multipart/form-data' })),
      'the request cannot be read: ',
    ],
    [
      'an invalid parameter',
      ({ request }) => request('/trigger?wait=maybe', post(scriptedPipeline('usual'))),
      'wait must be true or false',
    ],
  ];
  for (const [what, send, reason] of unreadable) {
    it(`${what} is reported to all clients, without a run id`, () =>
      withPin(async (fixture) => {
        const reader = await fixture.listen();
        await send(fixture);
        await send(fixture);
        await waitUntil(
          'both errors arrive',
          () => reader.events.filter(({ type }) => type === 'pipeline_error').length === 2,
        );
        const { run_id, error, source } = await reader.event('pipeline_error');
        expect({ run_id, source }).to.deep.equal({ run_id: undefined, source: 'http_endpoint' });
        expect(error).to.match(new RegExp(`^${reason}`));
        expect(reader.events.map(({ type }) => type).slice(-4)).to.deep.equal([
          'pipeline_trigger',
          'pipeline_error',
          'pipeline_trigger',
          'pipeline_error',
        ]);
        reader.cut();
      }));
  }

  it('a request that is too large is not reported to other clients', () =>
    withPin(async ({ request, listen }) => {
      const reader = await listen();
      await request('/trigger', post('#'.repeat((1 << 20) + 1)));
      await request('/trigger', post(''));
      expect(await reader.event('pipeline_error')).to.include({ error: 'Empty YAML configuration' });
      reader.cut();
    }));
});

describe('a trigger request with files', () => {
  it('pin defect 24: the run receives the files unchanged', () =>
    withPin(
      async ({ request, folder }) => {
        const files = Buffer.from(Array.from({ length: 3 << 20 }, (_, at) => at % 251));
        for (const fields of [
          { pipeline: scriptedPipeline('reads'), files },
          { files, pipeline: scriptedPipeline('reads') },
          { files, pipeline: Buffer.from(scriptedPipeline('reads')), other: 'x' },
        ]) {
          const { status, json } = await request('/trigger?wait=true', post(createForm(fields)));
          expect(status, JSON.stringify(json)).to.equal(200);
        }
        expect(receivedBytes).to.deep.equal([files.length, files.length, files.length]);
        await waitUntil(
          'the files are removed',
          async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0,
        );
      },
      {
        scripts: {
          async reads(script, spec) {
            expect(spec.workspace).to.deep.equal({ from: 'input', encoding: 'binary' });
            const bytes = await read(script.input);
            expect(bytes.every((byte, at) => byte === at % 251)).to.equal(true);
            receivedBytes.push(bytes.length);
            return {};
          },
        },
      },
    ));

  it('the files of a queued run are read until the input buffer is full, and a cancel removes them', () =>
    withPin(async ({ request, trigger, testRuns, folder, ended }) => {
      const first = await trigger('waits');
      const { json } = await request(
        '/trigger',
        post(createForm({ pipeline: scriptedPipeline('usual'), files: Buffer.alloc(5 << 20) })),
      );
      const id = json['run_id'] as string;
      const live = testRuns.runs.attach(id, { user: 'pin', token: true, scopes: ['*'] }).activeRun!;
      await waitUntil('the input buffer is full', () => live.input.counters.received >= 256 << 10);
      expect(live.input.counters).to.deep.equal({ received: 256 << 10, taken: 0 });
      await request(`/runs/${id}/cancel`, { method: 'POST' });
      expect(await ended(id)).to.include({ status: 'cancelled' });
      await waitUntil(
        'the files are removed',
        async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0,
      );
      await request(`/runs/${first}/cancel`, { method: 'POST' });
    }));

  it('the received files are removed after a run that does not read them', () =>
    withPin(async ({ request, folder }) => {
      const { status } = await request(
        '/trigger?wait=true',
        post(createForm({ pipeline: scriptedPipeline('usual'), files: Buffer.alloc(5 << 20) })),
      );
      expect(status).to.equal(200);
      await waitUntil(
        'the files are removed',
        async () => (await readdir(join(folder, 'pin', 'uploads'))).length === 0,
      );
    }));

  it('a trigger request without files uses the workspace folder of the options, or none', async () => {
    for (const [workspace, expected] of [
      [undefined, { from: 'nowhere' }],
      ['/srv/work', { from: 'folder', path: '/srv/work' }],
    ] as const) {
      await withPin(
        async ({ request }) => {
          for (const body of [scriptedPipeline('looks'), createForm({ pipeline: scriptedPipeline('looks') })])
            expect((await request('/trigger?wait=true', post(body))).status).to.equal(200);
        },
        {
          options: { ...(workspace !== undefined && { workspace }) },
          scripts: {
            async looks(_it, spec) {
              expect(spec.workspace).to.deep.equal(expected);
              return {};
            },
          },
        },
      );
    }
  });
});

const receivedBytes: number[] = [];

function createParts(count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`other${at}`, 'x']));
}

function createDoubleForm(): FormData {
  const form = createForm({ pipeline: scriptedPipeline('usual') });
  form.append('pipeline', scriptedPipeline('usual'));
  return form;
}
