// Tests the call pipeline.run: what it rejects before anything is stored, and what it passes to the engine.

import { expect } from 'chai';
import type { PipelinePermissions, PipelineSpec, PlannedPipeline } from '../../calls/contract/engines.ts';
import { readPipelineOptions } from '../../calls/pipeline-options.ts';
import { pipelineRunCall } from '../../calls/pipeline-run.ts';
import type { Diagnostic } from '../../calls/text/diagnostic.ts';
import { recordingContext } from '../helpers/calls/recording-engines.ts';

const allow: PipelinePermissions = { hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: [] };
const diagnostic = (line: number, more: Partial<Diagnostic> = {}): Diagnostic => ({
  severity: 'error',
  message: 'is odd',
  line,
  column: 3,
  length: 1,
  suggestions: [],
  ...more,
});

function call(diagnostics: readonly Diagnostic[] = []) {
  const requests: unknown[] = [];
  const planned: PlannedPipeline = { diagnostics, plan: { jobs: [] } };
  const created = pipelineRunCall({
    allow,
    workspaces: ['/srv/jobs'],
    stop: { signal: 'SIGTERM', graceMs: 1_000 },
    plan: (text, allowed) => {
      requests.push([text, allowed]);
      return planned;
    },
    resolveWorkspace: async (folder) => `/real${folder}`,
  });
  return { ...created, requests, planned };
}

/** Returns the message that the caller of a rejected run receives. */
function rejection(created: ReturnType<typeof call>, params: Readonly<Record<string, string>>): string | undefined {
  const checked = created.check!(params);
  return checked.ok ? undefined : checked.message;
}

async function buildSpec(options: object): Promise<PipelineSpec> {
  const { requests, context } = recordingContext({ pipeline: 'a: {}', options: JSON.stringify(options) });
  await call().body(context);
  expect(requests.map(({ engine }) => engine)).to.deep.equal(['pipeline']);
  return requests[0]!.spec as PipelineSpec;
}

describe('pipeline.run', () => {
  it('pipeline.run has its own scope, needs the pipeline engine, and allows detach', () => {
    const { name, kind, scope, needs, params, onDisconnect, concurrency } = call();
    expect({ name, kind, scope, needs }).to.deep.equal({
      name: 'pipeline.run',
      kind: 'pipeline',
      scope: 'pipeline.run',
      needs: ['pipeline'],
    });
    expect(params.map(({ name: of, default: value }) => [of, value])).to.deep.equal([
      ['pipeline', undefined],
      ['options', '{}'],
    ]);
    expect(onDisconnect?.default.type).to.equal('cancel');
    expect(onDisconnect?.allow.map(({ type }) => type)).to.deep.equal(['cancel', 'detach', 'grace']);
    expect(concurrency).to.deep.equal({ limit: 8, queue: 100 });
  });

  it('pipeline.run passes on the text with default options', async () => {
    expect(await buildSpec({})).to.deep.equal({
      text: 'a: {}',
      file: 'pipeline.yaml',
      variables: {},
      workspace: { from: 'nowhere' },
      allow,
    });
  });

  it('L21: pipeline.run plans and runs only the jobs that its options name', async () => {
    const plans: unknown[] = [];
    const { planned } = call();
    const created = pipelineRunCall({
      allow,
      workspaces: [],
      stop: { signal: 'SIGTERM', graceMs: 1_000 },
      plan: (_text, _allowed, jobs) => {
        plans.push(jobs);
        return planned;
      },
      resolveWorkspace: async (folder) => folder,
    });
    const params = { pipeline: 'a: {}', options: '{"jobs":["test","build"]}' };
    expect(created.check!(params).ok).to.equal(true);
    expect(plans).to.deep.equal([['test', 'build']]);
    const { context, requests } = recordingContext(params);
    await created.body(context);
    expect(requests.map(({ spec }) => (spec as PipelineSpec).jobs)).to.deep.equal([['test', 'build']]);
    for (const jobs of ['"a"', '[1]', '[""]', 'null'])
      expect(created.check!({ pipeline: 'a: {}', options: `{"jobs":${jobs}}` })).to.have.property('ok', false);
  });

  it('pipeline.run passes on its options', async () => {
    expect(await buildSpec({ file: 'x.yaml', variables: { A: '1' }, workspace: 'input' })).to.deep.equal({
      text: 'a: {}',
      file: 'x.yaml',
      variables: { A: '1' },
      workspace: { from: 'input', encoding: 'base64' },
      allow,
    });
    expect((await buildSpec({ workspace: '/srv/jobs/a' })).workspace).to.deep.equal({
      from: 'folder',
      path: '/real/srv/jobs/a',
    });
  });

  it('pipeline.run checks the text against the permissions and accepts warnings', () => {
    const made = call([diagnostic(2, { severity: 'warning' })]);
    expect(rejection(made, { pipeline: 'x: 1', options: '{}' })).to.equal(undefined);
    expect(made.requests).to.deep.equal([['x: 1', allow]]);
  });

  it('pipeline.run passes the plan of its check to the engine, so that a text is planned once', async () => {
    const made = call();
    const checked = made.check!({ pipeline: 'x: 1', options: '{}' });
    const { requests, context } = recordingContext({ pipeline: 'x: 1', options: '{}' });
    expect(checked).to.deep.equal({ ok: true, planned: made.planned });
    await made.body({ ...context, planned: made.planned });
    expect((requests[0]!.spec as PipelineSpec).planned).to.equal(made.planned);
    expect(made.requests).to.have.length(1);
  });

  it('pipeline.run reports every error with its position and suggestions', () => {
    const made = call([
      diagnostic(2, { job: 'build', field: 'image', suggestions: ['write it', 'or not'] }),
      diagnostic(9),
    ]);
    expect(rejection(made, { pipeline: 'x', options: '{"file":"ci.yaml"}' })).to.equal(
      'ci.yaml:2:3: build.image: is odd; write it; or not\nci.yaml:9:3: is odd',
    );
    expect(rejection(made, { pipeline: 'x', options: '{"fil":1}' })).to.equal(
      [
        'options: unknown option "fil"; did you mean "file"?',
        'pipeline.yaml:2:3: build.image: is odd; write it; or not',
        'pipeline.yaml:9:3: is odd',
      ].join('\n'),
    );
  });

  it('pipeline.run limits the length of its report and states how many errors it omits', () => {
    const made = call(Array.from({ length: 10_000 }, (_, at) => diagnostic(at + 1)));
    const message = rejection(made, { pipeline: 'x', options: '{}' })!;
    expect(message.length).to.be.lessThan(17_000);
    const lines = message.split('\n');
    expect(lines.at(-1)).to.equal(`and ${10_000 - lines.length + 1} more`);
  });
});

describe('the options of pipeline.run', () => {
  for (const [text, problem] of [
    ['', '"" is not a JSON object; write one such as {"variables":{"TAG":"v1"}}'],
    ['[]', '"[]" is not a JSON object; write one such as {"variables":{"TAG":"v1"}}'],
    ['{"file":""}', 'file must be a name of 1 to 200 characters, not ""'],
    ['{"file":"a\\nb"}', 'file must be a name of 1 to 200 characters, not "a\\nb"'],
    ['{"variables":["A"]}', 'variables must be an object, not ["A"]'],
    [
      '{"variables":{"A-B":"x"}}',
      '"A-B" is not a valid variable name: use letters, digits and "_", and do not start with a digit',
    ],
    ['{"variables":{"A":1}}', 'the variable "A" must be a string, not 1'],
    ['{"variables":{"A":"\\u0000"}}', 'the variable "A" must not contain a NUL character'],
    ['{"workspace":"srv"}', 'workspace must be "none", "input" or an absolute folder, not "srv"'],
    ['{"workspace":"/srv/jobs/../etc"}', 'workspace "/srv/jobs/../etc" must be written without "." and ".."'],
    [
      '{"workspace":"/srv/jobsshop"}',
      'workspace "/srv/jobsshop" is not in an allowed folder; pipelines.workspaces in the configuration lists them',
    ],
    ['{"nowhere":1}', 'unknown option "nowhere"; the options are file, variables, workspace, jobs'],
  ] as const) {
    it(`pipeline.run rejects the options ${text}`, () =>
      expect(readPipelineOptions(text, ['/srv/jobs'])).to.deep.equal({ ok: false, errors: [problem] }));
  }

  it('the workspace option accepts an allowed folder and its subfolders', () => {
    for (const workspace of ['/srv/jobs', '/srv/jobs/', '/srv/jobs/a/b']) {
      expect(readPipelineOptions(JSON.stringify({ workspace }), ['/srv/jobs'])).to.deep.include({ ok: true });
    }
    expect(readPipelineOptions('{"workspace":"/etc"}', ['/'])).to.deep.include({ ok: true });
  });

  it('pipeline.run reports all errors of its options at once', () => {
    expect(readPipelineOptions('{"file":1,"variables":2,"workspace":3}', [])).to.have.property('errors').with.length(3);
  });
});
