// Parses YAML text to plain values and reports every error of the text itself.

import type { FileDiagnostic } from '../../../calls/text/diagnostic.ts';
import { readYaml } from '../../yaml/read-document.ts';
import { buildValueTree, toPlainValue } from '../../yaml/value-tree.ts';
import type { YamlError } from '../../yaml/yaml-error.ts';
import type { YamlSource } from './yaml-source.ts';
import { createYamlSource } from './yaml-source.ts';

/** Maximum number of values that aliases may repeat in total. */
const aliasedValuesMax = 10_000;

export interface ParsedYaml {
  readonly source: YamlSource;
  /** The value of the document. Absent when the text is unreadable, or when its aliases repeat too many values. */
  readonly value?: unknown;
  readonly diagnostics: readonly FileDiagnostic[];
}

/** Parses a text. `file` is the name to show in diagnostics. */
export function parseYaml(file: string, text: string): ParsedYaml {
  const yaml = readYaml(text);
  const { root, repeated } = yaml.readable
    ? buildValueTree(yaml, { repeatedMax: aliasedValuesMax })
    : { root: undefined, repeated: 0 };
  const source = createYamlSource(root, { file, text, lines: yaml.lines });
  const diagnostics = yaml.errors.map((error) => source.diagnosticAt(error.offset, errorText(error), error.path));
  if (root === undefined) return { source, diagnostics };
  if (repeated <= aliasedValuesMax) return { source, diagnostics, value: toPlainValue(root) };
  const message = `aliases repeat more than ${aliasedValuesMax} values; write them out, or use fewer`;
  return { source, diagnostics: [...diagnostics, source.diagnosticAt(yaml.aliases.last?.range?.[0] ?? 0, message)] };
}

function errorText({ kind, message }: YamlError): string {
  return kind === 'syntax' ? `not valid YAML: ${message}` : message;
}
