// Finds values in the form of another system, such as `cache: { paths: […] }` of GitLab, and suggests the form of this
// language.

import { truncate } from '../../../../calls/text/quote.ts';
import type { MappingValue, YamlValue } from '../../../yaml/value-tree.ts';

/** Returns suggestions for a value of the wrong type under the key. Empty if the form is not known. */
type Form = (value: YamlValue) => readonly string[];

/** Returns the suggestion for a value of a key, or none. `key` is the last part of its name. */
export function suggestForm(key: string, value: YamlValue): readonly string[] {
  const name = Object.keys(forms).find((known) => known.toLowerCase() === key.toLowerCase());
  return (name === undefined ? undefined : forms[name]?.(value)) ?? [];
}

const forms: Readonly<Record<string, Form>> = {
  cache: (value) => write('cache', pathsIn(value).map(toCacheItem), 'node_modules:/root/node_modules'),
  artifacts: (value) => write('artifacts', pathsIn(value), 'dist/**'),
  artifactPath: (value) => pathsIn(value).map((path) => `write artifactPath: ${truncate(path)}`),
  image: (value) => textsAt(value, 'name').map((image) => `write image: ${truncate(image)}`),
  needs: (value) => write('needs', textsAt(value, 'job', 'name', 'pipeline'), 'build'),
  script: (value) =>
    textsAt(value, 'run', 'command', 'script').map((line) => `write the command itself: ${inQuotes(line)}`),
  services: (value) => imagesIn(value).map((image) => `write services: { ${serviceName(image)}: { image: ${image} } }`),
  outputs: (value) => (value.is === 'mapping' ? write('outputs', listKeys(value), 'VERSION') : []),
  volumes: (value) => {
    const [source] = textsAt(value, 'source', 'src');
    const [target] = textsAt(value, 'target', 'destination', 'path');
    return source === undefined || target === undefined
      ? []
      : [`write volumes: ["${truncate(`${source}:${target}`)}"]`];
  },
  env: (value) => {
    const [name] = textsAt(value, 'name', 'key');
    const [content = ''] = textsAt(value, 'value');
    if (name !== undefined) return [`write ${inQuotes(`${name}=${content}`)}`];
    return value.is === 'mapping' ? value.entries.flatMap(writePair) : [];
  },
  port: (value) => (value.is === 'number' ? [`write "${value.written}:${value.written}"`] : []),
  parallel: (value) => {
    if (value.is === 'number') return ['write matrix: { NAME: [1, 2] } to run a job several times'];
    return value.is === 'mapping' ? ['write the values under the key of the job: matrix: { NAME: [1, 2] }'] : [];
  },
  retry: (value) => (value.is === 'number' ? [`write retry: { attempts: ${value.value + 1} }`] : []),
  timeout: (value) => {
    const [minutes] = textsAt(value, 'minutes');
    return minutes === undefined ? [] : [`write timeout: ${truncate(minutes)}m`];
  },
};

function write(key: string, items: readonly string[], example: string): readonly string[] {
  return [`write ${key}: [${truncate(items.length === 0 ? example : items.join(', '))}]`];
}

/** Returns the item of `cache` for a path: a volume that is named after the path and mounted at the path. */
export function toCacheItem(path: string): string {
  const bare = path.replace(/^\.\//, '').replace(/\/+(\*+)?$/, '');
  const name = bare.replace(/^[^A-Za-z0-9]+/, '').replace(/[^A-Za-z0-9_.-]+/g, '-');
  return `${name === '' ? 'cache' : name}:${bare.startsWith('/') ? bare : `/root/${bare}`}`;
}

/** Returns the paths in a value: the strings of a list, or the texts under a key such as `paths`. */
function pathsIn(value: YamlValue): readonly string[] {
  return textsAt(value, 'paths', 'path', 'untracked', 'files');
}

/**
 * Returns the texts under the first of `keys` that a mapping has. For a list, returns its strings and the texts of its
 * mappings.
 */
function textsAt(value: YamlValue, ...keys: readonly string[]): readonly string[] {
  if (value.is === 'list')
    return value.items.flatMap((item) => (item.is === 'string' ? [item.text] : textsAt(item, ...keys)));
  if (value.is !== 'mapping') return [];
  const found = keys.map((key) => value.entries.find((entry) => entry.key.toLowerCase() === key)).find((one) => one);
  return found === undefined ? [] : texts(found.value);
}

function texts(value: YamlValue): readonly string[] {
  if (value.is === 'list') return value.items.flatMap(texts);
  if (value.is === 'string') return [value.text];
  return value.is === 'number' ? [value.written] : [];
}

function imagesIn(value: YamlValue): readonly string[] {
  return value.is === 'list' ? textsAt(value, 'name', 'image').map((image) => truncate(image)) : [];
}

function serviceName(image: string): string {
  return /([^/:@]+)(?:[:@][^/]*)?$/.exec(image)?.[1] ?? 'db';
}

function listKeys({ entries }: MappingValue): readonly string[] {
  return entries.map(({ key }) => key);
}

function writePair({ key, value }: MappingValue['entries'][number]): readonly string[] {
  const [text] = texts(value);
  return text === undefined ? [] : [`write ${inQuotes(`${key}=${text}`)}`];
}

function inQuotes(text: string): string {
  return `'${truncate(text.replaceAll("'", "''"))}'`;
}
