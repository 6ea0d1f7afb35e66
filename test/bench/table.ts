// The figures as a table, for a terminal and for a document.

import type { Figure } from './figures.ts';

const head = ['figure', 'reached', 'required', 'compared with', 'n', 'verdict'] as const;

export function asText(figures: readonly Figure[]): string {
  const rows = [head, ...figures.map(cells)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}

export function asMarkdown(figures: readonly Figure[]): string {
  return [head, head.map(() => '---'), ...figures.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cells({ what, reached, required, peer, n, ok }: Figure): readonly string[] {
  return [what, reached, required ?? '', peer, String(n), required === undefined ? '' : ok ? 'ok' : 'missed'];
}
