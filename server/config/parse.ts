// YAML text to plain values, with every mistake of the text itself.

import { readYaml } from '../support/yaml/document.ts';
import type { Fault } from '../support/yaml/fault.ts';
import type { Problem } from './problem.ts';
import { createSource } from './source.ts';
import type { Source } from './source.ts';

/** How often aliases may repeat what they stand for, all in all. */
const aliasesMax = 100;

export interface Parsed {
  readonly source: Source;
  /** Absent when the text is so wrong that nothing else can be said of it. */
  readonly value?: unknown;
  readonly problems: readonly Problem[];
}

/** `file` is the name to be shown. */
export function parseYaml(file: string, text: string): Parsed {
  const { document, lines, faults, readable, aliases } = readYaml(text);
  const source = createSource(document, { file, text, lines });
  const problems = faults.map((fault) => source.problemAt(fault.offset, sentence(fault), source.pathText(fault.path ?? [])));
  if (!readable) return { source, problems };
  try {
    return { source, problems, value: document.toJS({ maxAliasCount: aliasesMax }) as unknown };
  } catch {
    const message = `aliases repeat more than ${aliasesMax} values; write them out, or use fewer`;
    return { source, problems: [...problems, source.problemAt(aliases.last?.range?.[0] ?? 0, message)] };
  }
}

function sentence({ kind, message }: Fault): string {
  return kind === 'syntax' ? `not valid YAML: ${message}` : message;
}
