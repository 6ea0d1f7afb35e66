// Tests the drafts and formats of JSON Schema that params can use.

import { expect } from 'chai';
import { formatNames } from '../../calls/contract/formats.ts';
import { compileParamSchema } from '../../calls/contract/param-schema.ts';

const accepts = (schema: Readonly<Record<string, unknown>>, value: string): boolean =>
  compileParamSchema(schema)(value).length === 0;

describe('the schema of a param', () => {
  for (const $schema of [
    'https://json-schema.org/draft/2020-12/schema',
    'https://json-schema.org/draft/2020-12/schema#',
    'https://json-schema.org/draft/2019-09/schema',
    'http://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-07/schema',
    'https://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-06/schema#',
  ])
    it(`S13: a schema can name its draft: ${$schema}`, () => {
      const schema = { $schema, type: 'string', pattern: '^a', minLength: 2 };
      expect(accepts(schema, 'ab')).to.equal(true);
      expect(compileParamSchema(schema)('b')).to.have.length(2);
      expect(accepts({ $schema, type: 'integer', exclusiveMinimum: 3 }, '3')).to.equal(false);
    });

  for (const $schema of ['http://json-schema.org/draft-04/schema#', 'https://example.org/own', 'toString', 7])
    it(`S13: the unsupported $schema ${$schema} is rejected, and the error lists the supported ones`, () => {
      expect(() => compileParamSchema({ $schema }))
        .to.throw(`$schema ${JSON.stringify($schema)} is not supported`)
        .with.property('message')
        .that.contains('https://json-schema.org/draft/2020-12/schema');
    });

  it('S13: a schema of draft 2020-12 can refer to its $defs and $anchor', () => {
    const $schema = 'https://json-schema.org/draft/2020-12/schema';
    const $defs = { slug: { $anchor: 'slug', pattern: '^[a-z]+$' } };
    for (const $ref of ['#/$defs/slug', '#slug']) {
      expect(accepts({ $schema, $defs, $ref }, 'ada')).to.equal(true);
      expect(accepts({ $schema, $defs, $ref }, 'Ada')).to.equal(false);
    }
    expect(
      accepts({ $schema, $id: 'https://example.org/a', title: 'A', examples: ['x'], deprecated: true }, 'x'),
    ).to.equal(true);
  });

  const values: Readonly<Record<string, readonly [valid: string, invalid: string]>> = {
    email: ['ada@example.org', 'ada@'],
    'idn-email': ['ädä@exämple.org', 'ada@exa mple'],
    hostname: ['example.org', '-x-'],
    'idn-hostname': ['exämple.org', 'a b'],
    ipv4: ['192.0.2.1', '192.0.2.256'],
    ipv6: ['2001:db8::1', '2001:db8::g'],
    uri: ['https://example.org/a?b#c', '/a'],
    'uri-reference': ['/a?b', 'a b'],
    iri: ['https://exämple.org/ä', '/ä'],
    'iri-reference': ['/ä', 'a b'],
    'uri-template': ['/a/{b}', '/a/{b'],
    url: ['https://example.org/', 'https://'],
    uuid: ['2eb8aa08-aa98-11ea-b4aa-73b441d16380', '2eb8aa08'],
    date: ['2026-12-01', '2026-13-01'],
    time: ['10:00:00Z', '25:00:00Z'],
    'date-time': ['2026-12-01T10:00:00+01:00', '2026-12-01 10:00'],
    duration: ['P1DT2H', '1 day'],
    'json-pointer': ['/a/b~1c', 'a'],
    'relative-json-pointer': ['0/a', '/a'],
    regex: ['^a+$', '('],
  };

  for (const [format, [valid, invalid]] of Object.entries(values))
    it(`S13: a schema can have the format ${format}`, () => {
      for (const $schema of [
        'https://json-schema.org/draft/2020-12/schema',
        'http://json-schema.org/draft-07/schema#',
      ]) {
        expect(accepts({ $schema, type: 'string', format }, valid), valid).to.equal(true);
        expect(compileParamSchema({ $schema, type: 'string', format })(invalid)).to.deep.equal([
          `must match format "${format}"`,
        ]);
      }
    });

  it('S13: a number can have a numeric format', () => {
    expect(accepts({ type: 'integer', format: 'int32' }, '5')).to.equal(true);
    expect(accepts({ type: 'integer', format: 'int32' }, '5000000000')).to.equal(false);
    expect(accepts({ type: 'number', format: 'double' }, '0.5')).to.equal(true);
  });

  it('S13: an unknown format is rejected, and the error suggests the nearest known one', () => {
    expect(() => compileParamSchema({ type: 'string', format: 'emial' })).to.throw(
      'invalid JSON Schema: unknown format "emial"; did you mean "email"?',
    );
  });

  it('S12: no format takes more than linear time', () => {
    const near = ['1', 'a', 'a.', 'a-', ':', '/', '//', '%41', '1:', '{a', '~0', '0', 'a@', ' ', '(', '1.', '::', 'é'];
    for (const format of formatNames) {
      const check = compileParamSchema({ format });
      for (const part of near)
        for (const start of ['', 'http://', 'a@', 'P', '2026-12-01T'])
          check(`${start}${part.repeat(Math.floor(131_000 / part.length))}\u0001`);
    }
  });
});
