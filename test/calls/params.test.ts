// Tests how the strings of a call message are checked against the params of the call.

import { expect } from 'chai';
import type { Param } from '../../calls/contract/call.ts';
import { checkParams } from '../../calls/contract/params.ts';

const who: Param = { name: 'who', schema: { type: 'string', pattern: '^[A-Za-z ]+$' }, default: 'world' };

function check(params: readonly Param[], values: readonly string[], bytesMax = 1 << 20) {
  return checkParams({ name: 'greet', params }, values, bytesMax);
}

function rejectionText(params: readonly Param[], values: readonly string[]): string {
  const checked = check(params, values);
  return checked.ok ? 'ok' : checked.message;
}

describe('checkParams', () => {
  it('checkParams returns every param by name and fills in defaults', () => {
    expect(check([{ name: 'a' }, who], ['x'])).to.deep.equal({ ok: true, params: { a: 'x', who: 'world' } });
    expect(check([{ name: 'a' }, who], ['x', 'Ada'])).to.deep.equal({ ok: true, params: { a: 'x', who: 'Ada' } });
    expect(check([], [])).to.deep.equal({ ok: true, params: {} });
  });

  it('checkParams treats an empty string as a value', () => {
    expect(check([{ name: 'a', default: 'x' }], [''])).to.deep.equal({ ok: true, params: { a: '' } });
  });

  for (const [params, values, detail] of [
    [[], ['x'], 'greet takes 0 parameters, not 1'],
    [[{ name: 'a' }], [], 'greet takes 1 parameter (a), not 0'],
    [[{ name: 'a' }, who], ['1', '2', '3'], 'greet takes 1 to 2 parameters (a [who]), not 3'],
  ] as const) {
    it(`checkParams reports a wrong number of values with the fixed message and the detail ${detail}`, () => {
      expect(check(params, values)).to.deep.equal({
        ok: false,
        problem: 'count',
        message: 'invalid number of parameters',
        detail,
      });
    });
  }

  it('checkParams reports which param is invalid and why', () => {
    expect(rejectionText([who], ['a;b'])).to.equal(
      'invalid parameter "who" ("a;b"): must match pattern "^[A-Za-z ]+$"',
    );
  });

  it('checkParams reports all errors at once', () => {
    const params = [
      who,
      { name: 'n', schema: { type: 'integer', minimum: 3 } },
      { name: 'm', schema: { enum: ['a', 'b'] } },
      { name: 'fine' },
    ] as const;
    const checked = check(params, ['5', '2', 'c', 'x']);
    expect(checked).to.deep.include({ ok: false, problem: 'value' });
    expect(checked.ok || checked.problem === 'count' ? [] : checked.problems).to.deep.equal([
      'invalid parameter "who" ("5"): must match pattern "^[A-Za-z ]+$"',
      'invalid parameter "n" ("2"): must be >= 3',
      'invalid parameter "m" ("c"): must be one of "a", "b"',
    ]);
  });

  it('checkParams joins several errors of one value in one sentence', () => {
    expect(rejectionText([{ name: 'a', schema: { minLength: 3, pattern: '^x' } }], ['y'])).to.match(
      /^invalid parameter "a" \("y"\): must not have fewer than 3 characters and must match pattern "\^x"$/,
    );
  });

  it('checkParams joins the alternatives of a schema with "or"', () => {
    expect(rejectionText([{ name: 'a', schema: { anyOf: [{ pattern: '^x' }, { pattern: '^y' }] } }], ['z'])).to.equal(
      'invalid parameter "a" ("z"): must match pattern "^x" or must match pattern "^y"',
    );
  });

  for (const [type, good, bad, message] of [
    [
      'integer',
      ['0', '-5', '007', '+3'],
      ['', '1.5', '1e3', 'x', ' 1', '0x10', '12345678901234567890'],
      'must be an integer',
    ],
    ['number', ['0', '-1.5', '1e3', '.5', '5.'], ['', 'x', '1,5', 'NaN', 'Infinity', '1 '], 'must be a number'],
    ['boolean', ['true', 'false'], ['', 'yes', 'TRUE', '1'], 'must be true or false'],
  ] as const) {
    it(`checkParams checks the string of a param of type ${type} and passes it on unchanged`, () => {
      for (const value of good)
        expect(check([{ name: 'a', schema: { type } }], [value])).to.deep.equal({ ok: true, params: { a: value } });
      for (const value of bad) expect(rejectionText([{ name: 'a', schema: { type } }], [value])).to.contain(message);
    });
  }

  it('checkParams shows at most 80 characters of a value', () => {
    const message = rejectionText([who], [`${'1'.repeat(79)}🎉${'2'.repeat(100_000)}`]);
    expect(message).to.equal(`invalid parameter "who" ("${'1'.repeat(79)}…"): must match pattern "^[A-Za-z ]+$"`);
  });

  it('checkParams escapes control characters, so a message stays one line', () => {
    expect(rejectionText([who], ['a\n\u001b[31m'])).to.contain('("a\\n\\u001b[31m")');
  });

  it('checkParams rejects NUL in any param, because no program can receive it', () => {
    expect(rejectionText([{ name: 'a' }], ['a\0b'])).to.equal(
      'invalid parameter "a" ("a\\u0000b"): must not contain a NUL character',
    );
  });

  it('checkParams handles params named like members of Object.prototype', () => {
    const params = [{ name: 'constructor' }, { name: '__proto__' }];
    const checked = check(params, ['a', 'b']);
    expect(checked.ok && Object.entries(checked.params)).to.deep.equal([
      ['constructor', 'a'],
      ['__proto__', 'b'],
    ]);
  });

  it('checkParams compiles the schemas of a call once', () => {
    let reads = 0;
    const schema = {
      get pattern() {
        reads += 1;
        return '^x';
      },
    };
    const params = [{ name: 'a', schema }];
    check(params, ['x']);
    const first = reads;
    for (let n = 0; n < 10; n += 1) check(params, ['x']);
    expect(first).to.be.greaterThan(0);
    expect(reads).to.equal(first);
  });

  it('checkParams keeps schemas with the same $id apart', () => {
    const schema = (pattern: string) => ({ $id: 'same', pattern });
    const params = [
      { name: 'a', schema: schema('^a') },
      { name: 'b', schema: schema('^b') },
    ];
    expect(rejectionText(params, ['a', 'b'])).to.equal('ok');
    expect(rejectionText(params, ['b', 'a']))
      .to.contain('"^a"')
      .and.to.contain('"^b"');
  });
});
