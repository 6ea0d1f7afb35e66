// Tests how `${name}` in an argument is replaced.

import { expect } from 'chai';
import { placeholders, substitute, substituteAll, substituteValues } from '../../calls/contract/substitute.ts';
import { hostileValues } from '../helpers/calls/hostile-values.ts';

describe('substitute', () => {
  for (const value of hostileValues) {
    it(`substitute puts ${JSON.stringify(value)} unchanged into one argument`, () => {
      const params = { who: value, other: 'NOT ME' };
      expect(substituteAll(['${who}'], params)).to.deep.equal([value]);
      expect(substitute('<${who}|${who}>', params)).to.equal(`<${value}|${value}>`);
    });
  }

  it('substitute does not scan inserted values again', () => {
    expect(substitute('${a}${b}', { a: '${b}', b: '${a}' })).to.equal('${b}${a}');
    expect(substitute('${a}{b}', { a: '$', b: 'x' })).to.equal('${b}');
  });

  it('substitute turns $${ into a literal ${', () => {
    expect(substitute('$${HOME} ${a}', { a: 'x', HOME: 'no' })).to.equal('${HOME} x');
    expect(substitute('$$${a}', { a: 'x' })).to.equal('$${a}');
  });

  it('substitute leaves every other dollar sign unchanged', () => {
    for (const text of ['$1', '$$', '$HOME', 'a$', '$(x)', '$ {a}', '{a}'])
      expect(substitute(text, { a: 'x', HOME: 'x' })).to.equal(text);
  });

  it('substitute rejects names that are not params, such as members of Object.prototype', () => {
    expect(() => substitute('${nme}', { name: 'x' })).to.throw('${nme} names no parameter');
    expect(() => substitute('${toString}', {})).to.throw('${toString}');
    expect(() => substitute('${x:-y}', { x: '1' })).to.throw('${x:-y}');
  });

  it('substituteValues replaces the values of a mapping but not its keys', () => {
    expect(substituteValues({ '${a}': '${a}' }, { a: 'x' })).to.deep.equal({ '${a}': 'x' });
  });

  it('placeholders() returns the placeholders of a text and marks those that cannot name a param', () => {
    expect(placeholders('${a} $${b} ${c-d} ${} ${x:-y} ${1} ${open')).to.deep.equal([
      { text: '${a}', name: 'a' },
      { text: '${c-d}', name: 'c-d' },
      { text: '${}' },
      { text: '${x:-y}' },
      { text: '${1}' },
      { text: '${open' },
    ]);
  });

  it('substitute reads a long text of opening braces in linear time', () => {
    const text = '${'.repeat(100_000);
    const before = process.hrtime.bigint();
    expect(placeholders(text)).to.have.length(1);
    expect(Number(process.hrtime.bigint() - before) / 1e6).to.be.lessThan(1_000);
  });
});
