import { expect } from 'chai';
import { placeholders, substitute, substituteAll, substituteValues } from '../../calls/contract/substitute.ts';
import { nastyValues } from './nasty.ts';

describe('substitute', () => {
  for (const value of nastyValues) {
    it(`puts ${JSON.stringify(value)} into one argument, untouched`, () => {
      const params = { who: value, other: 'NOT ME' };
      expect(substituteAll(['${who}'], params)).to.deep.equal([value]);
      expect(substitute('<${who}|${who}>', params)).to.equal(`<${value}|${value}>`);
    });
  }

  it('does not look again at what it has put in, across several placeholders', () => {
    expect(substitute('${a}${b}', { a: '${b}', b: '${a}' })).to.equal('${b}${a}');
    expect(substitute('${a}{b}', { a: '$', b: 'x' })).to.equal('${b}');
  });

  it('makes a literal ${ of $${', () => {
    expect(substitute('$${HOME} ${a}', { a: 'x', HOME: 'no' })).to.equal('${HOME} x');
    expect(substitute('$$${a}', { a: 'x' })).to.equal('$${a}');
  });

  it('leaves every other dollar as it is', () => {
    for (const text of ['$1', '$$', '$HOME', 'a$', '$(x)', '$ {a}', '{a}']) expect(substitute(text, { a: 'x', HOME: 'x' })).to.equal(text);
  });

  it('refuses a name that is no param, also one that every object has', () => {
    expect(() => substitute('${nme}', { name: 'x' })).to.throw('${nme} names no parameter');
    expect(() => substitute('${toString}', {})).to.throw('${toString}');
    expect(() => substitute('${x:-y}', { x: '1' })).to.throw('${x:-y}');
  });

  it('replaces values of a mapping, never its keys', () => {
    expect(substituteValues({ '${a}': '${a}' }, { a: 'x' })).to.deep.equal({ '${a}': 'x' });
  });

  it('names the placeholders of a text, and tells those that cannot name a param', () => {
    expect(placeholders('${a} $${b} ${c-d} ${} ${x:-y} ${1} ${open')).to.deep.equal([
      { text: '${a}', name: 'a' }, { text: '${c-d}', name: 'c-d' }, { text: '${}' }, { text: '${x:-y}' }, { text: '${1}' }, { text: '${open' },
    ]);
  });

  it('reads a long text of opened braces in no time', () => {
    const text = '${'.repeat(100_000);
    const before = process.hrtime.bigint();
    expect(placeholders(text)).to.have.length(1);
    expect(Number(process.hrtime.bigint() - before) / 1e6).to.be.lessThan(1_000);
  });
});
