// Tests how characters of a string value are mapped to offsets in the file.

import { expect } from 'chai';
import { readYaml } from '../../server/yaml/read-document.ts';
import { textOffsets } from '../../server/yaml/text-offsets.ts';
import { buildValueTree, type TextValue } from '../../server/yaml/value-tree.ts';

/** String values in several YAML styles. In each value, no letter occurs twice. */
const forms: readonly (readonly [string, string])[] = [
  ['plain', 'k: abc def'],
  ['plain over lines', 'k: abc\n   de\n\n   f'],
  ['single quotes', "k: 'a''b c'"],
  ['double quotes', 'k: "a\\tb\\\\c \\"d\\" e"'],
  ['double quotes over lines', 'k: "abc\n   d\\\n   ef \\\n   g"'],
  ['a block', 'k: |\n  abc\n    de\n\n  f\n'],
  ['a folded block', 'k: >2-\n  abc\n  de\n\n   f\n'],
  ['a block with an anchor and a tag', 'k: &x !!str |+\n  abc\n\n'],
  ['line ends of two characters', 'k: "abc\r\n  de"\r\n'],
];

function valueIn(text: string): TextValue {
  const { root } = buildValueTree(readYaml(text), { repeatedMax: 100 });
  if (root.is !== 'mapping' || root.entries[0]?.value.is !== 'string')
    throw new Error(`not a text: ${JSON.stringify(root)}`);
  return root.entries[0].value;
}

describe('textOffsets', () => {
  for (const [title, source] of forms) {
    it(`textOffsets maps every letter to its offset: ${title}`, () => {
      const value = valueIn(source);
      const offsets = textOffsets(source, value);
      const letters = [...value.text]
        .map((letter, at) => [letter, source[offsets(at)]] as const)
        .filter(([letter]) => /[a-z]/.test(letter));
      expect(letters.length).to.be.greaterThan(2);
      expect(letters.filter(([letter, found]) => letter !== found)).to.deep.equal([]);
    });
  }

  it('textOffsets maps an index past the end to the end', () => {
    const source = 'k: "ab" # more';
    const offsets = textOffsets(source, valueIn(source));
    expect(offsets(2)).to.equal(source.indexOf('b') + 1);
    expect(offsets(100)).to.equal(offsets(2));
  });

  it('textOffsets counts an escape of two UTF-16 units as two characters', () => {
    const source = 'k: "\\U0001F600x\\u00e9y"';
    const offsets = textOffsets(source, valueIn(source));
    expect([2, 3, 4].map((at) => source.slice(offsets(at)))).to.deep.equal(['x\\u00e9y"', '\\u00e9y"', 'y"']);
  });
});
