// Tests how secrets are read, and which pipelines may use them.

import { expect } from 'chai';
import { permissionsFor } from '../../server/config/schema/pipelines.ts';
import { readSecret } from '../../server/config/secret.ts';
import { inFolder } from '../helpers/config/config-folder.ts';

describe('readSecret', () => {
  it('readSecret returns the current content of a file without its last line terminator', () =>
    inFolder(async ({ write }) => {
      for (const [held, value] of [
        ['one', 'one'],
        ['two\n', 'two'],
        ['three\r\n', 'three'],
        ['a\nb\n\n', 'a\nb\n'],
        [' x ', ' x '],
      ] as const) {
        expect(readSecret({ file: await write('secret', held) }, {})).to.equal(value);
      }
    }));

  it('readSecret returns the value of a variable', () =>
    expect(readSecret({ variable: 'A' }, { A: 'x\n' })).to.equal('x\n'));

  it('readSecret reports what is wrong without naming a folder', () =>
    inFolder(async ({ path, write }) => {
      const empty = await write('empty', '\n');
      const large = await write('large', 'x'.repeat((64 << 10) + 1));
      for (const [source, message] of [
        [{ variable: 'A' }, 'the variable "A" is empty or not set'],
        [{ file: `${path}/none` }, 'the file "none" cannot be read: ENOENT'],
        [{ file: empty }, 'the file "empty" is empty'],
        [{ file: large }, 'the file "large" is larger than 65536 characters'],
      ] as const) {
        expect(() => readSecret(source, { A: '' }))
          .to.throw(Error)
          .with.property('message', message);
      }
    }));
});

describe('permissionsFor', () => {
  const yaml =
    'pipelines: { hostJobs: true, mounts: [/srv] }\nsecrets: { A: { variable: A }, B: { variable: ' +
    'B, calls: [other] }, C: { variable: C, calls: [release, pipeline.run] } }';

  it('permissionsFor returns what the operator permits, and the secrets that are not reserved for other calls', () =>
    inFolder(async ({ load }) => {
      const config = await load(yaml);
      expect(permissionsFor('release', config, { declared: true })).to.deep.equal({
        hostJobs: true,
        mounts: ['/srv'],
        hostNetwork: false,
        engines: [],
        secrets: ['A', 'C'],
      });
    }));

  it('for a call that the file does not declare, permissionsFor includes only secrets that name the call', () =>
    inFolder(async ({ load }) => {
      const config = await load(yaml);
      expect(permissionsFor('pipeline.run', config, { declared: false }).secrets).to.deep.equal(['C']);
      expect(permissionsFor('elsewhere', config, { declared: false }).secrets).to.deep.equal([]);
    }));
});
