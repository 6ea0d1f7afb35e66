// Formats figures as a table, for a terminal or for a document.

import type { Figure } from './figure.ts';

const head = ['figure', 'reached', 'required', 'compared with', 'n', 'verdict'] as const;

export function formatText(figures: readonly Figure[]): string {
  const rows = [head, ...figures.map(cells)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function formatMarkdown(figures: readonly Figure[]): string {
  return [head, head.map(() => '---'), ...figures.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cells({ name, value, required, peer, samples, ok }: Figure): readonly string[] {
  return [name, value, required ?? '', peer, String(samples), required === undefined ? '' : ok ? 'ok' : 'missed'];
}
