// A mapping read by a table of the keys it may have. Keys match without regard to case.

import type { JsonSchema } from '../../../calls/contract/call.ts';
import { cut } from '../../../calls/contract/quote.ts';
import type { YamlEntry } from '../../support/yaml/values.ts';
import type { Field, Key } from './field.ts';
import { meant } from './ways.ts';

export type Keys = Readonly<Record<string, Key<unknown>>>;

/** What each key came to; absent where it is not written, or something is wrong with it. */
export type ValuesOf<Table extends Keys> = { readonly [Name in keyof Table]?: NonNullable<ReturnType<Table[Name]['read']>> };

export interface Reading<Table extends Keys> {
  readonly values: ValuesOf<Table>;
  /** The keys that are written, right or wrong. */
  readonly fields: { readonly [Name in keyof Table]?: Field };
}

/** Reads what `field` holds, which is nothing when it is no mapping. Tells of keys that are not in the table, and of those given twice. */
export function readKeys<Table extends Keys>(field: Pick<Field, 'value' | 'job' | 'ground'> & { readonly name?: string }, table: Table): Reading<Table> {
  const { fields, unknown } = sortKeys(field, table);
  for (const entry of unknown) tellUnknown(field, entry, table);
  const values = Object.entries(fields).map(([name, found]) => [name, table[name]!.read(found)] as const).filter(([, value]) => value !== undefined);
  return { values: Object.fromEntries(values) as ValuesOf<Table>, fields: fields as Reading<Table>['fields'] };
}

type Holder = Pick<Field, 'value' | 'job' | 'ground'> & { readonly name?: string };

interface Sorted {
  readonly fields: Readonly<Record<string, Field>>;
  readonly unknown: readonly YamlEntry[];
}

function sortKeys(holder: Holder, table: Keys): Sorted {
  const { value, job, ground } = holder;
  const names = lowered(table);
  const fields = new Map<string, Field>();
  const unknown: YamlEntry[] = [];
  for (const entry of value.is === 'mapping' ? value.entries : []) {
    const name = names.get(entry.key.toLowerCase());
    const before = name === undefined ? undefined : fields.get(name);
    if (name === undefined) unknown.push(entry);
    else if (before === undefined) fields.set(name, { name: path(holder, entry.key), at: entry.at, value: entry.value, job, ground });
    else tellTwice(before, entry);
  }
  return { fields: Object.fromEntries(fields), unknown };
}

function path({ name }: Holder, key: string): string {
  return name === undefined ? key : `${name}.${key}`;
}

const known = new WeakMap<Keys, ReadonlyMap<string, string>>();

function lowered(table: Keys): ReadonlyMap<string, string> {
  const names = known.get(table) ?? new Map(Object.keys(table).map((name) => [name.toLowerCase(), name]));
  known.set(table, names);
  return names;
}

/** Of the very same spelling the text itself was told. */
function tellTwice({ name, at, job, ground }: Field, entry: YamlEntry): void {
  const first = name.slice(name.lastIndexOf('.') + 1);
  if (first === entry.key) return;
  const { line } = ground.lines.linePos(at.start);
  ground.tell({ code: 'INVALID_CONFIG', message: twice(entry.key, first, line), at: entry.at, job, field: entry.key });
}

export function twice(key: string, first: string, line: number): string {
  return `failed to parse YAML configuration: the key "${cut(key)}" is given twice, first in line ${line} as "${cut(first)}": keys match without regard to case`;
}

function tellUnknown(holder: Holder, { key, at }: YamlEntry, table: Keys): void {
  const { job, ground } = holder;
  ground.tell({
    code: 'UNKNOWN_FIELD', severity: 'warning', message: `unknown key '${cut(key)}'`, at, job, field: path(holder, key),
    suggestions: key === '<<' ? ['YAML 1.2 has no merge keys: write the keys out'] : meant(key, Object.keys(table)),
  });
}

/** A mapping with these keys, for editors; others are let pass, as they only earn a warning. */
export function schemaOf(table: Keys, { required }: { readonly required?: readonly string[] } = {}): JsonSchema {
  const properties = Object.fromEntries(Object.entries(table).map(([name, { schema, summary }]) => [name, { description: summary, ...schema }]));
  return { type: 'object', properties, ...(required !== undefined && { required }) };
}
