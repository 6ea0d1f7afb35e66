// Tests how the kind of a file is detected: a configuration, a pipeline, or unknown.

import { expect } from 'chai';
import { detectFileKind } from '../../../server/config/load/detect-file-kind.ts';
import { inFolder } from '../../helpers/config/config-folder.ts';

const files = [
  ['pipeline', 'a workflow', 'workflow: [a]\na: { image: x, script: s }'],
  ['pipeline', 'a workflow in another case', 'WorkFlow: a\n'],
  ['pipeline', 'jobs without a workflow', 'build:\n  image: x\n  script: make\n'],
  ['pipeline', 'a job in one line', 'build: { dockerfile: Dockerfile }'],
  ['pipeline', 'an engine and a job', 'docker: { host: "tcp://build:1" }\nbuild:\n  Host: true\n'],
  ['pipeline', 'a job named like a section, with a workflow', 'workflow: [http]\nhttp:\n  image: x\n'],
  ['pipeline', 'broken YAML with a workflow', 'workflow: [a\na: {'],
  ['unknown', 'an empty file', ''],
  ['configuration', 'a section of a configuration', 'http: { api: true }\n'],
  ['configuration', 'a call with an image', 'calls:\n  a:\n    container:\n      image: x\n'],
  ['unknown', 'only an engine', 'docker: { host: auto }'],
  ['unknown', 'something else', 'hello: world'],
  ['configuration', 'a comment about a workflow', '# workflow: [a]\ndata: x\n'],
] as const;

describe('detectFileKind', () => {
  for (const [kind, title, text] of files) {
    it(`detectFileKind detects ${title} as ${kind}`, () =>
      inFolder(async ({ write }) => void expect(await detectFileKind(await write('it', text))).to.equal(kind)));
  }

  it('detectFileKind does not know the kind of a missing file', async () =>
    expect(await detectFileKind('/no/such/file')).to.equal('unknown'));
});
