// Checks that the glossary is consistent, and that the text check finds each banned text and none in the repository.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { bannedIdentifiers, bannedPhrases, bannedWords } from '../../.ci/banned-text.ts';
import { checkFile, checkRepository } from '../../.ci/check-text.ts';

const text = readFileSync(new URL('../../docs/glossary.md', import.meta.url), 'utf8');
const rows = [...text.matchAll(/^\| ([^|]+) \| ([^|]+) \|([^|]*)\|$/gm)]
  .map(([, word, meaning, not]) => ({ word: word!.trim(), meaning: meaning!.trim(), not: not!.trim() }))
  .filter(({ word }) => word !== 'word' && !word.startsWith('---'));

describe('the glossary', () => {
  it('the glossary defines each word once', () => {
    const words = rows.map(({ word }) => word);
    expect(words.length).to.be.above(25);
    expect([...new Set(words)]).to.deep.equal(words);
  });

  it('the glossary has a meaning for each word, with at most 25 words per sentence', () => {
    for (const { word, meaning } of rows) {
      expect(meaning, word).to.match(/\.$/);
      for (const sentence of meaning.split(/(?<=[.:]) /))
        expect(sentence.split(' ').length, sentence).to.be.at.most(25);
    }
  });

  it('the glossary neither defines nor uses banned words', () => {
    const used = rows.flatMap(({ word, meaning }) => checkFile('docs/some-page.md', `${word}\n${meaning}`));
    expect(used.filter(({ found }) => !found.endsWith('characters'))).to.deep.equal([]);
  });
});

describe('the banned list', () => {
  it('the text check finds each banned word and each old name in a sample', () => {
    for (const word of [...Object.keys(bannedWords), ...Object.keys(bannedIdentifiers)])
      expect(checkFile('server/sample.ts', `// ${word}`).map(({ found }) => found)).to.include(word);
  });

  it('each entry of the banned list has a replacement', () => {
    const entries = [...Object.values(bannedWords), ...Object.values(bannedIdentifiers)];
    for (const instead of [...entries, ...bannedPhrases.map((phrase) => phrase.instead)]) {
      expect(instead).to.have.length.above(1);
      expect(Object.keys(bannedIdentifiers)).to.not.include(instead);
    }
  });
});

describe('the repository', () => {
  it('the repository contains no banned word, phrase or name; npm run check:text prints each place', function () {
    this.timeout(60_000);
    expect(checkRepository().map(({ file, line, found }) => `${file}:${line}: ${found}`)).to.deep.equal([]);
  });
});
