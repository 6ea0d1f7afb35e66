// `volumes` and `cache`: what is mounted into a container.

import { cut } from '../../../../calls/contract/quote.ts';
import { place, wrong, type Field, type Key } from '../field.ts';
import type { Cache, Volume } from '../tree.ts';
import { itemEmpty } from './names.ts';
import { oneOrMore } from './schemas.ts';
import { readTexts, type Item } from './texts.ts';

/** A name may hold values of the matrix. */
const name = '(?:[A-Za-z0-9]|\\$\\{[A-Za-z_]\\w*\\})(?:[A-Za-z0-9_.-]|\\$\\{[A-Za-z_]\\w*\\})*';
const folder = '(?:/[^:]*|\\.{1,2}(?:/[^:]*)?)';
const volumePattern = `^(?:(${name})|(${folder})):(/[^:]*)(?::(ro|rw))?$`;
const cachePattern = `^(${name}):(/[^:]*)$`;

export const volumesKey: Key<readonly Volume[]> = {
  summary: 'Mounts: "name:/path" is a volume of the run, "./folder:/path" or "/folder:/path" a folder of the machine; ":ro" behind it for reading only.',
  schema: oneOrMore({ type: 'string', pattern: volumePattern }),
  read: (field) => readMounts(field, volumePattern, { form: "'name:/path', './folder:/path' or '/folder:/path', with ':ro' behind it for reading only", wayOut: asFolder })
    ?.map(({ item, parts: [, volume, source, path, mode] }) => ({
      source: volume !== undefined ? { name: volume } : { folder: source! }, path: path!, readOnly: mode === 'ro', place: place(field, item.value),
    })),
};

export const cacheKey: Key<readonly Cache[]> = {
  summary: 'Mounts of volumes that are kept from run to run: "name:/path".',
  schema: oneOrMore({ type: 'string', pattern: cachePattern }),
  read: (field) => readMounts(field, cachePattern, { form: "'name:/path'" })?.map(({ parts: [, volume, path] }) => ({ name: volume!, path: path! })),
};

interface Mount {
  readonly item: Item;
  readonly parts: readonly (string | undefined)[];
}

interface MountWords {
  /** What it must be. */
  readonly form: string;
  /** Suggestions for what it is. */
  readonly wayOut?: (text: string) => readonly string[];
}

function readMounts(field: Field, pattern: string, { form, wayOut = () => [] }: MountWords): readonly Mount[] | undefined {
  const items = readTexts(field, { all: `${field.name} items`, empty: (index) => itemEmpty(field, index), most: 100 });
  return items?.flatMap((item): readonly Mount[] => {
    const parts = new RegExp(pattern, 's').exec(item.text);
    const where = item.index === undefined ? '' : ` at index ${item.index}`;
    if (parts !== null && isMountPoint(parts)) return [{ item, parts }];
    wrong(field, `invalid format of '${field.name}'${where}: must be ${form}, got '${cut(item.text)}'`, { at: item.value, suggestions: wayOut(item.text) });
    return [];
  });
}

/** Not the root itself, and no way up. */
function isMountPoint(parts: readonly (string | undefined)[]): boolean {
  const path = parts.findLast((part) => part?.startsWith('/')) ?? '';
  return /[^/]/.test(path) && !path.split('/').includes('..');
}

function asFolder(text: string): readonly string[] {
  const [source = '', path = ''] = text.split(':');
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]*\/[^:]*$/.test(source) && path.startsWith('/') ? [`write './${cut(text)}' for a folder`] : [];
}
