import { expect } from 'chai';
import { readYaml } from '../../../server/support/yaml/document.ts';
import { valuesOf, type YamlValue } from '../../../server/support/yaml/values.ts';

/** Each value as what it is and the text it stands on. */
function shown(source: string): unknown {
  const show = (value: YamlValue): unknown => {
    switch (value.is) {
      case 'mapping': return Object.fromEntries(value.entries.map((entry) => [source.slice(entry.at.start, entry.at.end), show(entry.value)]));
      case 'list': return value.items.map(show);
      default: return `${value.is} ${source.slice(value.start, value.end)}`;
    }
  };
  return show(valuesOf(readYaml(source)).root);
}

describe('values that know where they stand', () => {
  it('are what the core schema of YAML 1.2 makes of them', () => {
    expect(shown('a: 5\nb: 1.10\nc: yes\nd: true\ne: 8080:80\nf: ~\ng: "5"\nh: 0x1F\ni: 2001-01-01\n1: [x, 2]')).to.deep.equal({
      a: 'number 5', b: 'number 1.10', c: 'string yes', d: 'boolean true', e: 'string 8080:80', f: 'null ~', g: 'string "5"', h: 'number 0x1F', i: 'string 2001-01-01', 1: ['string x', 'number 2'] });
  });

  it('are the same ones for an alias, which are counted', () => {
    const read = readYaml('a: &x [1, { b: 2 }]\nc: *x\nd: *x\n');
    const { root, repeated } = valuesOf(read);
    if (root.is !== 'mapping') throw new Error('not a mapping');
    expect(root.entries[1]?.value).to.equal(root.entries[0]?.value);
    expect(repeated).to.equal(8);
  });

  it('keep keys that are given twice', () => {
    const read = readYaml('a: 1\na: 2\n');
    expect(read.readable).to.equal(true);
    expect(read.faults.map(({ kind, offset, path }) => ({ kind, offset, path }))).to.deep.equal([{ kind: 'duplicate', offset: 5, path: [] }]);
    expect(shown('')).to.equal('null ');
  });
});
