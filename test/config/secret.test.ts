import { expect } from 'chai';
import { allowanceOf } from '../../server/config/pipelines.ts';
import { readSecret } from '../../server/config/secret.ts';
import { inFolder } from './folder.ts';

describe('readSecret', () => {
  it('gives what a file holds now, without the line end at its end', () => inFolder(async ({ write }) => {
    for (const [held, value] of [['one', 'one'], ['two\n', 'two'], ['three\r\n', 'three'], ['a\nb\n\n', 'a\nb\n'], [' x ', ' x ']] as const) {
      expect(readSecret({ file: await write('secret', held) }, {})).to.equal(value);
    }
  }));

  it('gives what a variable holds', () => expect(readSecret({ variable: 'A' }, { A: 'x\n' })).to.equal('x\n'));

  it('says what is wrong, and no folder', () => inFolder(async ({ path, write }) => {
    const empty = await write('empty', '\n');
    const large = await write('large', 'x'.repeat((64 << 10) + 1));
    for (const [source, message] of [
      [{ variable: 'A' }, 'the variable "A" is not set, or is empty'], [{ file: `${path}/none` }, 'the file "none" cannot be read: ENOENT'],
      [{ file: empty }, 'the file "empty" is empty'], [{ file: large }, 'the file "large" is larger than 65536 characters'],
    ] as const) {
      expect(() => readSecret(source, { A: '' })).to.throw(Error).with.property('message', message);
    }
  }));
});

describe('what pipelines of a call may do', () => {
  const yaml = 'pipelines: { hostJobs: true, mounts: [/srv] }\nsecrets: { A: { variable: A }, B: { variable: B, calls: [other] }, C: { variable: C, calls: [release, pipeline.run] } }';

  it('is what the operator says, with the secrets that are not kept for others', () => inFolder(async ({ load }) => {
    const config = await load(yaml);
    expect(allowanceOf('release', config, { declared: true })).to.deep.equal({ hostJobs: true, mounts: ['/srv'], hostNetwork: false, engines: [], secrets: ['A', 'C'] });
  }));

  it('includes only secrets that name the call, where that is not declared', () => inFolder(async ({ load }) => {
    const config = await load(yaml);
    expect(allowanceOf('pipeline.run', config, { declared: false }).secrets).to.deep.equal(['C']);
    expect(allowanceOf('elsewhere', config, { declared: false }).secrets).to.deep.equal([]);
  }));
});
