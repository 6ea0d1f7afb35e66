// Tests the values that a YAML document becomes, and their ranges.

import { expect } from 'chai';
import { readYaml } from '../../server/yaml/read-document.ts';
import { buildValueTree, toPlainValue, type YamlValue } from '../../server/yaml/value-tree.ts';

/** Returns the type of each value and its text in the file. */
function shown(source: string): unknown {
  const show = (value: YamlValue): unknown => {
    switch (value.is) {
      case 'mapping':
        return Object.fromEntries(
          value.entries.map((entry) => [source.slice(entry.at.start, entry.at.end), show(entry.value)]),
        );
      case 'list':
        return value.items.map(show);
      default:
        return `${value.is} ${source.slice(value.start, value.end)}`;
    }
  };
  return show(buildValueTree(readYaml(source), { repeatedMax: 1_000 }).root);
}

describe('buildValueTree', () => {
  it('buildValueTree reads values by the core schema of YAML 1.2', () => {
    expect(
      shown('a: 5\nb: 1.10\nc: yes\nd: true\ne: 8080:80\nf: ~\ng: "5"\nh: 0x1F\ni: 2001-01-01\n1: [x, 2]'),
    ).to.deep.equal({
      a: 'number 5',
      b: 'number 1.10',
      c: 'string yes',
      d: 'boolean true',
      e: 'string 8080:80',
      f: 'null ~',
      g: 'string "5"',
      h: 'number 0x1F',
      i: 'string 2001-01-01',
      1: ['string x', 'number 2'],
    });
  });

  it('buildValueTree returns the same value for an alias, and counts the repetition', () => {
    const read = readYaml('a: &x [1, { b: 2 }]\nc: *x\nd: *x\n');
    const { root, repeated } = buildValueTree(read, { repeatedMax: 1_000 });
    if (root.is !== 'mapping') throw new Error('not a mapping');
    expect(root.entries[1]?.value).to.equal(root.entries[0]?.value);
    expect(repeated).to.equal(8);
  });

  it('L1: a merge key adds the entries that the mapping does not have, in order of precedence', () => {
    const plain = (text: string): unknown => {
      const read = readYaml(text);
      expect(read.errors).to.deep.equal([]);
      return toPlainValue(buildValueTree(read, { repeatedMax: 1_000 }).root);
    };
    expect(plain('a: &a { x: 1, y: 1 }\nb: { <<: *a, y: 2 }\n')).to.deep.equal({
      a: { x: 1, y: 1 },
      b: { x: 1, y: 2 },
    });
    expect(plain('- &a { x: 1 }\n- &b { x: 2, y: 2, z: 2 }\n- { y: 3, <<: [*a, *b] }\n')).to.deep.equal([
      { x: 1 },
      { x: 2, y: 2, z: 2 },
      { x: 1, y: 3, z: 2 },
    ]);
    expect(plain('- &a { x: 1 }\n- &b { <<: *a, y: 2 }\n- { <<: *b }\n- <<: *a\n  <<: *b\n')).to.deep.equal([
      { x: 1 },
      { x: 1, y: 2 },
      { x: 1, y: 2 },
      { x: 1, y: 2 },
    ]);
    expect(plain('{ <<: { x: 1 }, "<<": 2 }')).to.deep.equal({ x: 1, '<<': 2 });
    expect(plain('a: &a [{ x: 1 }, { y: 2 }]\nb: { <<: *a, <<: }\n')).to.deep.equal({
      a: [{ x: 1 }, { y: 2 }],
      b: { x: 1, y: 2 },
    });
    expect(plain('{ <<: { __proto__: 1 } }')).to.have.ownProperty('__proto__', 1);
  });

  it('L1: a merge key without a mapping is an error at its value', () => {
    const offsets = (text: string): readonly number[] => readYaml(text).errors.map(({ offset }) => offset);
    expect(offsets('<<: 5')).to.deep.equal([4]);
    expect(offsets('<<: [{ a: 1 }, x]')).to.deep.equal([15]);
    expect(offsets('a: &a x\nb: { <<: *a }\n')).to.deep.equal([17]);
    expect(readYaml('<<: 5').errors[0]!.message).to.contain('takes a mapping or a list of mappings');
  });

  it('L1: buildValueTree stops merging at the limit and returns a count of repeated values above the limit', () => {
    const keys = Array.from({ length: 100 }, (_, at) => `k${at}: 1`).join(', ');
    const text = `a: &a { ${keys} }\nb:\n${'  - { <<: *a }\n'.repeat(50)}`;
    const { repeated } = buildValueTree(readYaml(text), { repeatedMax: 1_000 });
    expect(repeated).to.be.greaterThan(1_000);
    expect(buildValueTree(readYaml(text), { repeatedMax: 10_000 }).repeated).to.be.lessThan(10_000);
  });

  it('buildValueTree keeps duplicate keys', () => {
    const read = readYaml('a: 1\na: 2\n');
    expect(read.readable).to.equal(true);
    expect(read.errors.map(({ kind, offset, path }) => ({ kind, offset, path }))).to.deep.equal([
      { kind: 'duplicate', offset: 5, path: [] },
    ]);
    expect(shown('')).to.equal('null ');
  });
});
