// `npm run docs`: writes the generated tables of the documents, between `<!-- generated: name -->` and `<!-- end -->`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type DocTable, docTables } from './doc-tables.ts';

const folder = fileURLToPath(new URL('../docs/', import.meta.url));

/** Returns each document that has generated tables, as it is and as it should be. */
export function renderDocuments(): readonly {
  readonly document: string;
  readonly current: string;
  readonly wanted: string;
}[] {
  const tables = docTables();
  return [...new Set(tables.map(({ document }) => document))].map((document) => {
    const current = readFileSync(folder + document, 'utf8');
    const wanted = tables
      .filter((table) => table.document === document)
      .reduce((text, table) => replaceTable(text, table), current);
    return { document, current, wanted };
  });
}

/**
 * Returns the text of a document with the current table. Throws if the document has no place for the table. Rows that
 * need a handwritten cell and have none get `TODO`.
 */
export function replaceTable(text: string, table: DocTable): string {
  const begin = `<!-- generated: ${table.name} -->\n`;
  const from = text.indexOf(begin);
  const to = text.indexOf('<!-- end -->', from);
  if (from === -1 || to === -1)
    throw new Error(`docs/${table.document} has no region "${table.name}": add "${begin.trim()}" and "<!-- end -->"`);
  const at = from + begin.length;
  return `${text.slice(0, at)}\n${renderTable(table, readRows(text.slice(at, to)))}\n${text.slice(to)}`;
}

function renderTable({ columns, rows, keyCells = 1 }: DocTable, written: readonly (readonly string[])[]): string {
  const rowKey = (row: readonly (string | undefined)[]): string => row.slice(0, keyCells).join(' ');
  const complete = rows.map((row) => {
    const old = written.find((other) => rowKey(other) === rowKey(row));
    return columns.map((_, column) => row[column] ?? old?.[column] ?? 'TODO');
  });
  const lines = [columns, columns.map(() => '---'), ...complete].map((cells) => `| ${cells.join(' | ')} |`);
  return `${lines.join('\n').replace(/^\| --- .*$/m, (line) => line.replaceAll(' ', ''))}\n`;
}

function readRows(table: string): readonly (readonly string[])[] {
  return table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  for (const { document, current, wanted } of renderDocuments())
    if (wanted !== current) {
      writeFileSync(folder + document, wanted);
      process.stdout.write(`docs/${document}\n`);
    }
