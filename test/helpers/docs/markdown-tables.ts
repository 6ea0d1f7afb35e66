// Reads tables of the documents, to compare them with the code.

import { readFileSync } from 'node:fs';

export type Row = Readonly<Record<string, string>>;

/** Returns the rows of the first table below the heading `title`, by column name. Throws if there is no table. */
export function readTable(document: string, title: string): readonly Row[] {
  const text = readFileSync(new URL(`../../../docs/${document}`, import.meta.url), 'utf8');
  const section = text.split(/^(?=#+ )/m).find((part) => part.replace(/^#+ /, '').startsWith(`${title}\n`));
  const lines = section?.split('\n').filter((line) => line.startsWith('|')) ?? [];
  const [head, , ...rows] = lines.map(splitCells);
  if (head === undefined || rows.length === 0) throw new Error(`docs/${document} has no table under "${title}"`);
  return rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i] ?? ''])));
}

/** Removes the backquotes around code. */
export function stripMarkup(cell: string): string {
  return cell.replaceAll('`', '').trim();
}

function splitCells(line: string): readonly string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.replaceAll('\\|', '|').trim());
}
