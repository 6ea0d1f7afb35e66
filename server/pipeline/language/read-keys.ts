// Reads a mapping with a table of its allowed keys. Keys match without regard to case.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { truncate } from '../../../calls/text/quote.ts';
import { isTemplateKey } from '../../yaml/template-keys.ts';
import type { YamlEntry } from '../../yaml/value-tree.ts';
import type { Field, Key } from './field.ts';
import { type ForeignKeys, meantKey, noForeignKeys } from './foreign/foreign-keys.ts';
import { suggestName } from './suggestions.ts';

export type Keys = Readonly<Record<string, Key<unknown>>>;

/** The result of each key. Absent if the key is missing or invalid. */
export type KeyValues<Table extends Keys> = {
  readonly [Name in keyof Table]?: NonNullable<ReturnType<Table[Name]['read']>>;
};

export interface KeyReadings<Table extends Keys> {
  readonly values: KeyValues<Table>;
  /** The keys that are in the file with a value, valid or not. */
  readonly fields: { readonly [Name in keyof Table]?: Field };
  /** The keys for which the file has another word, such as that of another system, which is an error. */
  readonly meant: ReadonlySet<string>;
}

/**
 * Reads the keys of `field`, or none if it is not a mapping. A key without a value, such as one whose items are all
 * commented out, counts as absent. Reports duplicates and keys that are not in the table.
 */
export function readKeys<Table extends Keys>(
  field: Pick<Field, 'value' | 'job' | 'context'> & { readonly name?: string },
  table: Table,
  foreign: ForeignKeys = noForeignKeys,
): KeyReadings<Table> {
  const { fields, unknown } = matchKeys(field, table);
  const meant = new Set(unknown.flatMap((entry) => reportUnknownKey(field, entry, { table, foreign }) ?? []));
  const values = Object.entries(fields)
    .map(([name, found]) => [name, table[name]!.read(found)] as const)
    .filter(([, value]) => value !== undefined);
  return {
    values: Object.fromEntries(values) as KeyValues<Table>,
    fields: fields as KeyReadings<Table>['fields'],
    meant,
  };
}

type KeyHolder = Pick<Field, 'value' | 'job' | 'context'> & { readonly name?: string };

interface MatchedKeys {
  readonly fields: Readonly<Record<string, Field>>;
  readonly unknown: readonly YamlEntry[];
}

function matchKeys(holder: KeyHolder, table: Keys): MatchedKeys {
  const { value, job, context } = holder;
  const names = lowerCasedNames(table);
  const fields = new Map<string, Field>();
  const unknown: YamlEntry[] = [];
  for (const entry of value.is === 'mapping' ? value.entries : []) {
    const name = names.get(entry.key.toLowerCase());
    const before = name === undefined ? undefined : fields.get(name);
    if (isTemplateKey(entry.key) || (before !== undefined && entry.merged === true)) continue;
    if (name === undefined) unknown.push(entry);
    else if (entry.value.is === 'null') continue;
    else if (before === undefined)
      fields.set(name, { name: qualifiedName(holder, entry.key), at: entry.at, value: entry.value, job, context });
    else reportDuplicateKey(before, entry);
  }
  return { fields: Object.fromEntries(fields), unknown };
}

function qualifiedName({ name }: KeyHolder, key: string): string {
  return name === undefined ? key : `${name}.${key}`;
}

const namesByTable = new WeakMap<Keys, ReadonlyMap<string, string>>();

function lowerCasedNames(table: Keys): ReadonlyMap<string, string> {
  const names = namesByTable.get(table) ?? new Map(Object.keys(table).map((name) => [name.toLowerCase(), name]));
  namesByTable.set(table, names);
  return names;
}

/** Reports only duplicates whose spelling differs. The YAML reader reports the others. */
function reportDuplicateKey({ name, at, job, context }: Field, entry: YamlEntry): void {
  const first = name.slice(name.lastIndexOf('.') + 1);
  if (first === entry.key) return;
  const { line } = context.lines.linePos(at.start);
  context.report({
    code: 'INVALID_CONFIG',
    message: duplicateKeyMessage(entry.key, first, line),
    at: entry.at,
    job,
    field: entry.key,
  });
}

export function duplicateKeyMessage(key: string, first: string, line: number): string {
  return (
    `failed to parse YAML configuration: the key "${truncate(key)}" is defined twice, first in ` +
    `line ${line} as "${truncate(first)}": keys match without regard to case`
  );
}

/** Reports an unknown key. Returns the key of this language that it probably stands for, or undefined. */
function reportUnknownKey(
  holder: KeyHolder,
  { key, at }: YamlEntry,
  { table, foreign }: { readonly table: Keys; readonly foreign: ForeignKeys },
): string | undefined {
  const { job, context } = holder;
  const meant = meantKey(key, Object.keys(table), foreign);
  const advice = meant?.toLowerCase() === key.toLowerCase() ? 'it belongs in a job' : `the key here is '${meant}'`;
  context.report({
    code: 'UNKNOWN_FIELD',
    severity: meant === undefined ? 'warning' : 'error',
    message: `unknown key '${truncate(key)}'${meant === undefined ? '' : `: ${advice}`}`,
    at,
    job,
    field: qualifiedName(holder, key),
    suggestions:
      meant === undefined
        ? suggestName(key, Object.keys(table))
        : [`write ${foreign.examples[meant] ?? `'${meant}' in its place`}`],
  });
  return meant;
}

/**
 * Returns the schema of a mapping with these keys, for editors. The schema allows other keys, because most unknown keys
 * cause only a warning.
 */
export function buildSchema(table: Keys, { required }: { readonly required?: readonly string[] } = {}): JsonSchema {
  const properties = Object.fromEntries(
    Object.entries(table).map(([name, { schema, summary }]) => [
      name,
      { description: summary, anyOf: [schema, { type: 'null' }] },
    ]),
  );
  return { type: 'object', properties, ...(required !== undefined && { required }) };
}
