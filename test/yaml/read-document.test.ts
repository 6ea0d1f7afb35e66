// Tests errors of the text of a YAML document.

import { expect } from 'chai';
import { readYaml } from '../../server/yaml/read-document.ts';

describe('readYaml', () => {
  it('L4: readYaml rejects a NUL character and half of a surrogate pair, wherever they are', () => {
    for (const [text, offset] of [
      ['a: "x\0"\n', 5],
      ['# \0\na: 1\n', 2],
      ['a: x\ud800y\n', 4],
      ['a: 1 # \udc00\n', 7],
    ] as const) {
      const { errors, readable } = readYaml(text);
      expect(readable, JSON.stringify(text)).to.equal(false);
      expect(
        errors.map((error) => error.offset),
        JSON.stringify(text),
      ).to.deep.equal([offset]);
    }
    expect(readYaml('a: "\u{1f600} \\0"\n').errors).to.deep.equal([]);
  });
});
