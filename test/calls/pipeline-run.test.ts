// The call that runs what its caller brings: what it refuses before anything is stored, and what it hands to the engine.

import { expect } from 'chai';
import type { PipelineAllowance, PipelineSpec } from '../../calls/contract/engines.ts';
import { complaintLine, type PipelineComplaint } from '../../calls/contract/pipeline-complaint.ts';
import { readPipelineOptions } from '../../calls/pipeline-options.ts';
import { pipelineRunCall } from '../../calls/pipeline-run.ts';
import { recordingContext } from './engines.ts';

const allow: PipelineAllowance = { hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: [] };
const complaint = (line: number, more: Partial<PipelineComplaint> = {}): PipelineComplaint =>
  ({ severity: 'error', message: 'is odd', line, column: 3, suggestions: [], ...more });

function call(complaints: readonly PipelineComplaint[] = []) {
  const asked: unknown[] = [];
  const made = pipelineRunCall({
    allow, workspaces: ['/srv/jobs'], stop: { signal: 'SIGTERM', graceMs: 1_000 },
    check: (text, allowed) => { asked.push([text, allowed]); return complaints; },
    inWorkspaces: async (folder) => `/real${folder}`,
  });
  return { ...made, asked };
}

async function specFor(options: object): Promise<PipelineSpec> {
  const { asked, context } = recordingContext({ pipeline: 'a: {}', options: JSON.stringify(options) });
  await call().body(context);
  expect(asked.map(({ engine }) => engine)).to.deep.equal(['pipeline']);
  return asked[0]!.spec as PipelineSpec;
}

describe('pipeline.run', () => {
  it('needs a scope of its own and the engine of pipelines, and may be left', () => {
    const { name, kind, scope, needs, params, onDisconnect, concurrency } = call();
    expect({ name, kind, scope, needs }).to.deep.equal({ name: 'pipeline.run', kind: 'pipeline', scope: 'pipeline.run', needs: ['pipeline'] });
    expect(params.map(({ name: of, default: value }) => [of, value])).to.deep.equal([['pipeline', undefined], ['options', '{}']]);
    expect(onDisconnect?.default.type).to.equal('cancel');
    expect(onDisconnect?.allow.map(({ type }) => type)).to.deep.equal(['cancel', 'detach', 'grace']);
    expect(concurrency).to.deep.equal({ limit: 8, queue: 100 });
  });

  it('hands the text over with the defaults of its options', async () => {
    expect(await specFor({})).to.deep.equal({ text: 'a: {}', file: 'pipeline.yaml', variables: {}, workspace: { from: 'nowhere' }, allow });
  });

  it('hands its options over', async () => {
    expect(await specFor({ file: 'x.yaml', variables: { A: '1' }, workspace: 'input' })).to.deep.equal({
      text: 'a: {}', file: 'x.yaml', variables: { A: '1' }, workspace: { from: 'input', encoding: 'base64' }, allow,
    });
    expect((await specFor({ workspace: '/srv/jobs/a' })).workspace).to.deep.equal({ from: 'folder', path: '/real/srv/jobs/a' });
  });

  it('has the text checked with what it may do, and finds nothing wrong with a warning', () => {
    const made = call([complaint(2, { severity: 'warning' })]);
    expect(made.check!({ pipeline: 'x: 1', options: '{}' })).to.equal(undefined);
    expect(made.asked).to.deep.equal([['x: 1', allow]]);
  });

  it('tells every mistake, with its place and the ways out', () => {
    const made = call([complaint(2, { job: 'build', field: 'image', suggestions: ['write it', 'or not'] }), complaint(9)]);
    expect(made.check!({ pipeline: 'x', options: '{"file":"ci.yaml"}' })).to.equal('ci.yaml:2:3: build.image: is odd; write it; or not\nci.yaml:9:3: is odd');
    expect(made.check!({ pipeline: 'x', options: '{"fil":1}' })).to.equal(
      'options: unknown option "fil"; did you mean "file"?\npipeline.yaml:2:3: build.image: is odd; write it; or not\npipeline.yaml:9:3: is odd');
  });

  it('bounds what it tells, and says how much it does not', () => {
    const message = call(Array.from({ length: 10_000 }, (_, at) => complaint(at + 1))).check!({ pipeline: 'x', options: '{}' })!;
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
    ['{"variables":{"A-B":"x"}}', '"A-B" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit'],
    ['{"variables":{"A":1}}', 'the variable "A" must be a text, not 1'],
    ['{"variables":{"A":"\\u0000"}}', 'the variable "A" must not contain a NUL character'],
    ['{"workspace":"srv"}', 'workspace must be "none", "input" or an absolute folder, not "srv"'],
    ['{"workspace":"/srv/jobs/../etc"}', 'workspace "/srv/jobs/../etc" must be written without "." and ".."'],
    ['{"workspace":"/srv/jobsshop"}', 'workspace "/srv/jobsshop" is not inside of a folder that the operator allows; pipelines.workspaces of the configuration names those that are'],
    ['{"nowhere":1}', 'unknown option "nowhere"; the options are file, variables, workspace'],
  ] as const) {
    it(`are refused as ${text}`, () => expect(readPipelineOptions(text, ['/srv/jobs'])).to.deep.equal({ ok: false, problems: [problem] }));
  }

  it('may name an allowed folder, and what is in it', () => {
    for (const workspace of ['/srv/jobs', '/srv/jobs/', '/srv/jobs/a/b']) {
      expect(readPipelineOptions(JSON.stringify({ workspace }), ['/srv/jobs'])).to.deep.include({ ok: true });
    }
    expect(readPipelineOptions('{"workspace":"/etc"}', ['/'])).to.deep.include({ ok: true });
  });

  it('are told all at once', () => {
    expect(readPipelineOptions('{"file":1,"variables":2,"workspace":3}', [])).to.have.property('problems').with.length(3);
  });
});

describe('complaintLine', () => {
  it('names what there is', () => expect(complaintLine('f', complaint(1, { field: 'workflow' }))).to.equal('f:1:3: workflow: is odd'));
});
