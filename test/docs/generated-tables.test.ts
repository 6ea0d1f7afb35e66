// Checks that the tables that `npm run docs` writes into the documents are current.

import { expect } from 'chai';
import { type DocTable, docTables } from '../../.ci/doc-tables.ts';
import { renderDocuments, replaceTable } from '../../.ci/docs.ts';

describe('the generated tables of the documents', () => {
  for (const { document, current, wanted } of renderDocuments()) {
    it(`the generated tables of docs/${document} are current; otherwise run npm run docs`, () => {
      expect(current).to.equal(wanted);
    });

    it(`the generated tables of docs/${document} have no cell that still has to be written`, () => {
      expect(wanted).to.not.include('| TODO |');
    });
  }

  it('the names of generated tables are unique per document', () => {
    const names = docTables().map(({ document, name }) => `${document} ${name}`);
    expect([...new Set(names)]).to.deep.equal(names);
  });

  describe('generated tables when the code changes', () => {
    const table: DocTable = { name: 'n', document: 'd.md', columns: ['key', 'meaning'], rows: [['`a`'], ['`b`']] };
    const text = [
      'Before.\n\n<!-- generated: n -->\n\n| key |\n|---|\n| `c` | gone |\n| `b` | by hand |\n\n',
      '<!-- end -->\n\nAfter.\n',
    ].join('');

    it('a generated table gets new rows, loses old rows, and keeps handwritten cells with their row', () => {
      expect(replaceTable(text, table)).to.equal(
        [
          'Before.\n\n<!-- generated: n -->\n\n| key | meaning |\n|---|---|\n| `a` | TODO |\n| `b` | ',
          'by hand |\n\n<!-- end -->\n\nAfter.\n',
        ].join(''),
      );
    });

    it('a document without a place for its generated table is reported', () => {
      expect(() => replaceTable('Nothing.', table)).to.throw('docs/d.md has no region "n"');
    });
  });
});
