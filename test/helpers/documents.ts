// Tables of the documents, read so that tests can hold them against the code.

import { readFileSync } from 'node:fs';

export type Row = Readonly<Record<string, string>>;

/** The rows of the first table under the heading `title`, by the names of its columns. Throws when there is none. */
export function tableUnder(document: string, title: string): readonly Row[] {
  const text = readFileSync(new URL(`../../docs/${document}`, import.meta.url), 'utf8');
  const section = text.split(/^(?=#+ )/m).find((part) => part.replace(/^#+ /, '').startsWith(`${title}\n`));
  const lines = section?.split('\n').filter((line) => line.startsWith('|')) ?? [];
  const [head, , ...rows] = lines.map(cells);
  if (head === undefined || rows.length === 0) throw new Error(`docs/${document} has no table under "${title}"`);
  return rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i] ?? ''])));
}

/** A cell without the marks of Markdown. */
export function plain(cell: string): string {
  return cell.replaceAll('`', '').trim();
}

function cells(line: string): readonly string[] {
  return line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.replaceAll('\\|', '|').trim());
}
