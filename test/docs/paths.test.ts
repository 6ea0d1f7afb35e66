// Compares the section "Files on each path" of docs/architecture.md with the code: the files exist, call each other,
// and are few enough.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const document = readFileSync(`${root}docs/architecture.md`, 'utf8');
const titles = [...document.matchAll(/^### (.* \(limit (\d+)\))$/gm)].map(([, title, limit]) => ({
  title: title!,
  limit: Number(limit),
}));

/** Removes line breaks, `#` and `?` from code, so that its formatting does not matter in a comparison. */
const normalize = (text: string): string => text.replaceAll(/\s+|[#?]/g, ' ').replaceAll(/ ?([.(]) ?/g, '$1');

const read = (file: string): string => normalize(readFileSync(root + file, 'utf8'));

describe('the paths in docs/architecture.md', () => {
  it('the five paths in docs/architecture.md have the expected limits', () => {
    expect(titles.map(({ limit }) => limit)).to.deep.equal([8, 9, 12, 7, 10]);
  });

  for (const { title, limit } of titles) {
    const rows = readTable('architecture.md', title);

    it(`the path has at most ${limit} files: ${title}`, () => {
      expect(rows.map((row) => row['#'])).to.deep.equal(rows.map((_, at) => String(at + 1)));
      expect(rows.length).to.be.within(2, limit);
    });

    for (const [at, row] of rows.entries()) {
      const file = stripMarkup(row['file']!);
      const call = stripMarkup(row['reached by']!);
      const name = /(\w+)\(?$/.exec(call)?.[1];

      it(`${file} exists and is reached by ${call || 'the first step'}: ${title}`, () => {
        expect(existsSync(root + file), file).to.equal(true);
        expect(call === '', 'only the first file has no caller').to.equal(at === 0);
        if (at === 0) return;
        const earlier = rows.slice(0, at).map((before) => read(stripMarkup(before['file']!)));
        expect(earlier.some((text) => text.includes(normalize(call)))).to.equal(true);
        expect(read(file)).to.match(new RegExp(`\\b${name}\\b`));
      });
    }
  }
});
