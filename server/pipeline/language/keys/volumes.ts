// The keys `volumes` and `cache`: volumes and folders that are mounted into a container.

import { truncate } from '../../../../calls/text/quote.ts';
import { type Field, fieldLocation, type Key, reportInvalid } from '../field.ts';
import { toCacheItem } from '../foreign/foreign-forms.ts';
import type { Cache, Volume } from '../model.ts';
import { emptyItemMessage } from './identifiers.ts';
import { oneOrMore } from './json-schema.ts';
import { readStrings, type StringItem } from './string-list.ts';

/** Pattern of a volume name, which may contain matrix values. */
const name = '(?:[A-Za-z0-9]|\\$\\{[A-Za-z_]\\w*\\})(?:[A-Za-z0-9_.-]|\\$\\{[A-Za-z_]\\w*\\})*';
const folder = '(?:/[^:]*|\\.{1,2}(?:/[^:]*)?)';
const volumePattern = `^(?:(${name})|(${folder})):(/[^:]*)(?::(ro|rw))?$`;
const cachePattern = `^(${name}):(/[^:]*)$`;

export const volumesKey: Key<readonly Volume[]> = {
  summary:
    'Mounts: "name:/path" is a volume of the run, "./folder:/path" or "/folder:/path" a folder of ' +
    'the machine. A trailing ":ro" makes it read-only.',
  schema: oneOrMore({ type: 'string', pattern: volumePattern }),
  read: (field) =>
    readMounts(field, volumePattern, {
      form: "'name:/path', './folder:/path' or '/folder:/path', with a trailing ':ro' for read-only",
      suggest: suggestFolder,
    })?.map(({ item, parts: [, volume, source, path, mode] }) => ({
      source: volume !== undefined ? { name: volume } : { folder: source! },
      path: path!,
      readOnly: mode === 'ro',
      location: fieldLocation(field, item.value),
    })),
};

export const cacheKey: Key<readonly Cache[]> = {
  summary: 'Mounts of volumes that persist between runs: "name:/path".',
  schema: oneOrMore({ type: 'string', pattern: cachePattern }),
  read: (field) =>
    readMounts(field, cachePattern, { form: "'name:/path'", suggest: suggestCache })?.map(
      ({ parts: [, volume, path] }) => ({
        name: volume!,
        path: path!,
      }),
    ),
};

interface Mount {
  readonly item: StringItem;
  readonly parts: readonly (string | undefined)[];
}

interface MountMessages {
  /** The expected form, for the message. */
  readonly form: string;
  /** Returns suggestions for an invalid text. */
  readonly suggest?: (text: string) => readonly string[];
}

function readMounts(
  field: Field,
  pattern: string,
  { form, suggest = () => [] }: MountMessages,
): readonly Mount[] | undefined {
  const items = readStrings(field, {
    all: `${field.name} items`,
    empty: (index) => emptyItemMessage(field, index),
    most: 100,
  });
  return items?.flatMap((item): readonly Mount[] => {
    const parts = new RegExp(pattern, 's').exec(item.text);
    const where = item.index === undefined ? '' : ` at index ${item.index}`;
    if (parts !== null && isValidMountPoint(parts)) return [{ item, parts }];
    reportInvalid(field, `invalid format of '${field.name}'${where}: must be ${form}, got '${truncate(item.text)}'`, {
      at: item.value,
      suggestions: suggest(item.text),
    });
    return [];
  });
}

/** Returns false for the root itself and for paths with `..`. */
function isValidMountPoint(parts: readonly (string | undefined)[]): boolean {
  const path = parts.findLast((part) => part?.startsWith('/')) ?? '';
  return /[^/]/.test(path) && !path.split('/').includes('..');
}

function suggestCache(text: string): readonly string[] {
  return text.includes(':') ? [] : [`write '${truncate(toCacheItem(text))}'`];
}

function suggestFolder(text: string): readonly string[] {
  const [source = '', path = ''] = text.split(':');
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]*\/[^:]*$/.test(source) && path.startsWith('/')
    ? [`write './${truncate(text)}' for a folder`]
    : [];
}
