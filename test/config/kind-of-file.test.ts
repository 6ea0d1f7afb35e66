import { expect } from 'chai';
import { kindOfFile } from '../../server/config/kind-of-file.ts';
import { inFolder } from './folder.ts';

const files = [
  ['pipeline', 'a workflow', 'workflow: [a]\na: { image: x }'],
  ['pipeline', 'a workflow in another case', 'WorkFlow: a\n'],
  ['pipeline', 'jobs without a workflow', 'build:\n  image: x\n  script: make\n'],
  ['pipeline', 'a job in one line', 'build: { dockerfile: Dockerfile }'],
  ['pipeline', 'an engine and a job', 'docker: { host: "tcp://build:1" }\nbuild:\n  Host: true\n'],
  ['pipeline', 'a job of the name of a section of ours, in a workflow', 'workflow: [http]\nhttp:\n  image: x\n'],
  ['pipeline', 'broken YAML with a workflow', 'workflow: [a\na: {'],
  ['configuration', 'nothing', ''],
  ['configuration', 'sections of ours', 'http: { api: true }\n'],
  ['configuration', 'a call with an image', 'calls:\n  a:\n    container:\n      image: x\n'],
  ['configuration', 'an engine alone', 'docker: { host: auto }'],
  ['configuration', 'something else', 'hello: world'],
  ['configuration', 'a comment about a workflow', '# workflow: [a]\ndata: x\n'],
] as const;

describe('kindOfFile', () => {
  for (const [kind, title, text] of files) {
    it(`takes ${title} for a ${kind}`, () => inFolder(async ({ write }) => void expect(await kindOfFile(await write('it', text))).to.equal(kind)));
  }

  it('takes what is not there for a configuration', async () => expect(await kindOfFile('/no/such/file')).to.equal('configuration'));
});
