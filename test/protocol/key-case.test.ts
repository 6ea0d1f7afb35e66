// Tests how pow-1 reads keys: like the JSON decoder of Go, which ignores their case.

import { expect } from 'chai';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import { pow1 } from '../../protocol/dialects/pow-1.ts';
import { v1 } from '../../protocol/dialects/v1.ts';
import { v2 } from '../../protocol/dialects/v2.ts';

const read = (dialect: Dialect, text: string) => dialect.read(new TextEncoder().encode(text));
const call = { type: 'call', call: 'x', params: ['a'] };

describe('the keys of control messages', () => {
  it('W6: pow-1 ignores the case of every key of a control message', () => {
    for (const name of ['call', 'CALL', 'Call', 'cALL'])
      for (const params of ['params', 'PARAMS', 'Params', 'param\\u017f'])
        expect(read(pow1, `{"${name}":"x","${params}":["a"]}`), `${name} ${params}`).to.deep.equal(call);
    for (const signal of ['signal', 'SIGNAL', 'Signal', '\\u017fignal']) {
      expect(read(pow1, `{"${signal}":"cancel"}`)).to.deep.equal({ type: 'cancel' });
      expect(read(pow1, `{"${signal}":"close"}`)).to.deep.equal({ type: 'close-input' });
      expect(read(pow1, `{"${signal}":"Cancel"}`).type).to.equal('invalid-message');
    }
  });

  it('W6: if a key occurs in several spellings, pow-1 takes the last value that is not null', () => {
    expect(read(pow1, '{"call":"y","Call":"x","params":["a"]}')).to.deep.equal(call);
    expect(read(pow1, '{"Call":"x","call":null,"params":["a"]}')).to.deep.equal(call);
    expect(read(pow1, '{"call":"x","params":["b"],"PARAMS":["a"]}')).to.deep.equal(call);
  });

  it('W6: pow-1 ignores keys that only resemble a known one', () => {
    for (const key of ['calls', 'c all', 'kall', 'call ', 'caII'])
      expect(read(pow1, `{"call":"x","params":["a"],"${key}":7}`)).to.deep.equal(call);
  });

  it('W6: v1 and distillery.v2 distinguish the case of keys', () => {
    for (const dialect of [v1, v2])
      for (const message of ['{"CALL":"x"}', '{"Call":"x"}', '{"Signal":"cancel"}'])
        expect(read(dialect, message).type, message).to.equal('invalid-message');
  });
});
