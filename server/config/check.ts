// What a schema cannot say of the configuration as a whole: the explicit list of further checks.

import { kinds } from '../../calls/catalogue.ts';
import { declarationProblems } from '../../calls/contract/check-declaration.ts';
import { quote } from '../../calls/contract/quote.ts';
import { formatDuration, parseDuration } from '../../calls/contract/units.ts';
import { limits } from '../../protocol/limits.ts';
import type { Finding } from './explain.ts';
import { checkListen } from './listen.ts';
import { checkPinDoor } from './pin-door.ts';
import { isMapping, items, mapping } from './shape.ts';

/** Looks at what has the right shape, and passes over the rest: the schema has told of that. */
type Check = (root: Readonly<Record<string, unknown>>) => readonly Finding[];

const checks: readonly Check[] = [listenIsLoopback, originsAreOrigins, pingsComeInTime, systemsAreDistinct, systemsAreAddressed, callsAreWhole, sourcesAreOne, checkPinDoor];

/** Every mistake that the checks find. */
export function checkAll(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  return checks.flatMap((check) => check(root));
}

function listenIsLoopback(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  const { listen } = mapping(root['http']);
  const checked = typeof listen === 'string' ? checkListen(listen) : undefined;
  return checked === undefined || checked.ok ? [] : [{ spot: { path: ['http', 'listen'] }, message: checked.message }];
}

function originsAreOrigins(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  return [...originsIn(root, ['http', 'origins']), ...originsIn(root, ['doors', 'pin', 'allowOrigins'])];
}

function originsIn(root: Readonly<Record<string, unknown>>, path: readonly string[]): readonly Finding[] {
  return items(path.reduce<unknown>((held, key) => mapping(held)[key], root)).flatMap((origin, at) =>
    typeof origin !== 'string' || isOrigin(origin) ? []
      : [{ spot: { path: [...path, at] }, message: `${quote(origin)} is not an origin; write scheme://host or scheme://host:port, such as https://example.org` }]);
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/** A client that is silent between two pings would be lost before it could answer the second. */
function pingsComeInTime(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  const declared = mapping(root['limits']);
  const [ping, lost] = (['pingMs', 'lostMs'] as const).map((name) => durationOr(declared[name], limits[name].default));
  if (ping === undefined || lost === undefined || ping < lost) return [];
  const name = declared['lostMs'] === undefined ? 'pingMs' : 'lostMs';
  return [{ spot: { path: ['limits', name] }, message: `lostMs (${formatDuration(lost)}) must be longer than pingMs (${formatDuration(ping)}), or every quiet connection is lost` }];
}

function durationOr(value: unknown, otherwise: number): number | undefined {
  try {
    return value === undefined ? otherwise : parseDuration(value);
  } catch {
    return undefined;
  }
}

function systemsAreDistinct(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  const slugs = items(root['systems']).map((system) => mapping(system)['slug']).map((slug) => (typeof slug === 'string' ? slug.toLowerCase() : undefined));
  return slugs.flatMap((slug, at) => {
    const first = slugs.indexOf(slug);
    return slug === undefined || first === at ? []
      : [{ spot: { path: ['systems', at, 'slug'] }, message: `there are two systems with the slug ${quote(slug)}; the first is number ${first + 1}` }];
  });
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

function systemsAreAddressed(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  return items(root['systems']).map(mapping).flatMap(({ url, lastEdit }, at) => [
    ...(typeof url !== 'string' || /^https?:\/\/[^/]/.test(url) && URL.canParse(url) ? []
      : [{ spot: { path: ['systems', at, 'url'] }, message: `${quote(url)} is not an address; write one such as https://example.org/` }]),
    ...(typeof lastEdit !== 'string' || rfc3339.test(lastEdit) && !Number.isNaN(Date.parse(lastEdit)) ? []
      : [{ spot: { path: ['systems', at, 'lastEdit'] }, message: `${quote(lastEdit)} is not a time; write one such as 2026-11-22T10:30:00Z` }]),
  ]);
}

function callsAreWhole(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  return Object.entries(mapping(root['calls'])).flatMap(([name, declared]) =>
    (isMapping(declared) ? declarationProblems(declared, kinds) : [])
      .map(({ message, path, ...where }) => ({ spot: { ...where, path: ['calls', name, ...path] }, message })));
}

/** A secret is in a file or in a variable. */
function sourcesAreOne(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  const secrets = Object.entries(mapping(root['secrets'])).map(([name, source]) => ({ path: ['secrets', name], source }));
  const pin = mapping(mapping(root['doors'])['pin']);
  const doors = [{ path: ['doors', 'pin', 'token'], source: pin['token'] }, { path: ['doors', 'pin', 'github', 'secret'], source: mapping(pin['github'])['secret'] }];
  return [...secrets, ...doors].filter(({ source }) => isMapping(source)).flatMap(({ path, source }) => {
    const { file, variable } = mapping(source);
    if (file === undefined && variable === undefined) return [{ spot: { path, at: 'key' as const }, message: 'where is it? Write one of the keys file, variable' }];
    return file === undefined || variable === undefined ? [] : [{ spot: { path: [...path, 'variable'], at: 'key' as const }, message: 'it is in a file or in a variable; keep one of them' }];
  });
}
