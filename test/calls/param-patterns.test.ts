// Tests the patterns and the sizes of params: a client's value never blocks the gateway.

import { expect } from 'chai';
import type { Param } from '../../calls/contract/call.ts';
import { compileParamSchema } from '../../calls/contract/param-schema.ts';
import { checkParams } from '../../calls/contract/params.ts';
import { defineCall } from '../../calls/declare/define-call.ts';
import { compileLinearEcmaRegExp } from '../../calls/text/linear-regexp.ts';
import { createRandomInteger, seeds } from '../helpers/seeded-random.ts';

const kiB = 1 << 10;

describe('the pattern of a param', () => {
  // With JavaScript's own regular expressions, each of these matches takes seconds or longer.
  for (const [pattern, value] of [
    ['^(a|aa)+$', `${'a'.repeat(400 * kiB)}!`],
    ['^(a+)+$', `${'a'.repeat(400 * kiB)}!`],
    ['^(\\w+\\s?)*$', `${'a'.repeat(400 * kiB)}!`],
    ['(x+x+)+y', 'x'.repeat(400 * kiB)],
    ['a+b', 'a'.repeat(400 * kiB)],
    ['\\s+$', `${' '.repeat(400 * kiB)}x`],
    ['^.*,.*,.*,.*;$', ','.repeat(400 * kiB)],
    ['^([a-z0-9]+-?)+@$', 'a-'.repeat(200 * kiB)],
  ] as const)
    it(`S12: a value of 400 KiB that nearly matches ${pattern} is rejected in linear time`, () => {
      expect(compileParamSchema({ pattern })(value)).to.deep.equal([`must match pattern "${pattern}"`]);
    });

  it('S12: a pattern in a nested schema runs in linear time', () => {
    const evil = { pattern: '^(a|aa)+$' };
    const value = `${'a'.repeat(200 * kiB)}!`;
    for (const schema of [
      { anyOf: [evil, { const: 'x' }] },
      { allOf: [evil] },
      { if: evil, else: { const: 'x' } },
      { $defs: { it: evil }, $ref: '#/$defs/it' },
    ])
      expect(compileParamSchema(schema)(value), JSON.stringify(schema)).to.not.deep.equal([]);
    expect(compileParamSchema({ not: evil })(value)).to.deep.equal([]);
  });

  it('S12: two patterns of one schema are checked separately', () => {
    const check = compileParamSchema({ allOf: [{ pattern: '^a' }, { pattern: 'z$' }] });
    expect(check('az')).to.deep.equal([]);
    expect(check('a')).to.deep.equal(['must match pattern "z$"']);
    expect(check('z')).to.deep.equal(['must match pattern "^a"']);
  });

  it('S12: a value of 400 KiB that is almost a number is rejected in linear time', () => {
    for (const type of ['integer', 'number', 'boolean'])
      expect(compileParamSchema({ type })(`${'1'.repeat(400 * kiB)}x`)).to.have.length(1);
    expect(compileParamSchema({ type: 'number' })('5.')).to.deep.equal([]);
  });

  for (const pattern of ['^(?=a)', '^(?!a)', '(?<=a)b', '(?<!a)b', '(a)\\1', '(?<n>a)\\k<n>', '^a{1001}$'])
    it(`S12: the pattern ${pattern} is rejected at once, because it cannot run in linear time`, () => {
      expect(() => compileParamSchema({ pattern }))
        .to.throw(`pattern ${JSON.stringify(pattern)} cannot be used`)
        .with.property('message')
        .that.contains('linear time');
    });

  it('S12: an invalid pattern is rejected with the reason', () => {
    for (const pattern of ['(', '[z-a]', 'a**', '\\A', '\\Q', '(?i)a', '(?P<n>a)', 'a{2,1}', '\\-'])
      expect(() => compileParamSchema({ pattern }), pattern).to.throw('Invalid regular expression');
  });

  const atoms = (
    'a b . \\s \\S [^a] [a\\s] [^\\s] [\\S] [] [^] \\d \\D \\w \\W \\b \\B ^ $ (a|b) (?:ab) (?<n>a) \\u00e9 ' +
    '\\u{1F600} \\ud83d\\ude00 [\\ud83d\\ude00] \\p{L} \\P{Lu} \\p{Letter} \\p{Script=Greek} \\p{gc=Lu} [[a] [[:a:] ' +
    '[\\b] \\cA \\x41 [a-f] \\t \\v \\/ [\\w-] [\\]] [^\\]] é \\. \\\\'
  ).split(' ');
  const quantifiers = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '*?', '+?'];
  const characters = [...'abc \n\r\u00a0\u2028é😀AαÄ\u0001\b1_-/][:\\.\v\ufeff\u180e\u0085\u200b'];

  for (const seed of seeds(8))
    it(`S12: random patterns match the same values as in JavaScript (seed ${seed})`, () => {
      const random = createRandomInteger(seed);
      const pick = (list: readonly string[]): string => list[random(list.length)]!;
      for (let n = 0; n < 500; n += 1) {
        const parts = Array.from({ length: 1 + random(4) }, () => pick(atoms));
        const pattern = parts
          .map((atom) => (/^(\\b|\\B|\^|\$)$/i.test(atom) ? atom : atom + pick(quantifiers)))
          .join('');
        if (pattern.split('?<n>').length > 2) continue;
        const expected = new RegExp(pattern, 'u');
        const linear = compileLinearEcmaRegExp(pattern);
        for (let m = 0; m < 6; m += 1) {
          const value = Array.from({ length: random(6) }, () => pick(characters)).join('');
          expect(linear.test(value), `${pattern} on ${JSON.stringify(value)}`).to.equal(expected.test(value));
        }
      }
    });
});

describe('the size of a param', () => {
  const check = (params: readonly Param[], value: string, bytesMax: number): string => {
    const checked = checkParams({ name: 'it', params }, [value], bytesMax);
    return checked.ok ? 'ok' : checked.message;
  };

  it('S12: a value above the limit paramBytesMax is rejected, counted in UTF-8', () => {
    const params = [{ name: 'a' }];
    expect(check(params, 'x'.repeat(100), 100)).to.equal('ok');
    expect(check(params, 'x'.repeat(101), 100)).to.match(/must have at most 100 bytes, not 101$/);
    expect(check(params, 'é'.repeat(50), 100)).to.equal('ok');
    expect(check(params, 'é'.repeat(51), 100)).to.match(/must have at most 100 bytes, not 102$/);
    expect(check(params, '😀'.repeat(26), 100)).to.match(/must have at most 100 bytes, not 104$/);
  });

  it('S12: the bytesMax of a param replaces the limit, whether larger or smaller', () => {
    expect(check([{ name: 'a', bytesMax: 200 }], 'x'.repeat(200), 100)).to.equal('ok');
    expect(check([{ name: 'a', bytesMax: 50 }], 'x'.repeat(51), 100)).to.contain('at most 50 bytes');
    expect(check([{ name: 'a', bytesMax: Infinity }], 'x'.repeat(kiB * kiB), 100)).to.equal('ok');
  });

  it('S12: a value that is too long is not checked against the schema', () => {
    const params = [{ name: 'a', schema: { enum: ['x'] } }];
    expect(check(params, 'y', 100)).to.contain('must be one of');
    expect(check(params, 'y'.repeat(101), 100)).to.not.contain('must be one of');
  });

  it('S12: a call in TypeScript declares bytesMax as a size', () => {
    const define = (bytesMax: string | number, value = 'x') =>
      defineCall({ name: 'it', params: [{ name: 'a', bytesMax, default: value }], run() {} });
    expect(define('1m').params[0]).to.have.property('bytesMax', 1 << 20);
    expect(define(10).params[0]).to.have.property('bytesMax', 10);
    expect(() => define('big')).to.throw('params[0].bytesMax: "big" is not a size');
    expect(() => define(0)).to.throw('params[0].bytesMax: must be at least 1');
    expect(() => define(3, 'long')).to.throw('must have at most 3 bytes, not 4');
  });
});
