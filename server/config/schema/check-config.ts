// Checks of the whole configuration that a JSON Schema cannot express.

import { checkDeclaration } from '../../../calls/declare/check-declaration.ts';
import { kinds } from '../../../calls/kinds.ts';
import type { KeyDiagnostic, KeyPath } from '../../../calls/text/diagnostic.ts';
import { quote } from '../../../calls/text/quote.ts';
import { parseTime } from '../../../calls/text/time.ts';
import { formatDuration, parseDuration } from '../../../calls/text/units.ts';
import { limits } from '../../../protocol/limits.ts';
import { asList, asMapping, isMapping } from '../loose-access.ts';
import { checkListen } from './listen.ts';
import { checkPin } from './pin.ts';

type Root = Readonly<Record<string, unknown>>;

/** A check of the configuration. It skips values of the wrong shape, because the schema reports those. */
type Check = (root: Root) => readonly KeyDiagnostic[];

const checks: readonly Check[] = [
  checkListenAddress,
  checkOrigins,
  checkPingInterval,
  checkUniqueSlugs,
  checkSystems,
  checkResolve,
  checkCalls,
  checkSecretSources,
  checkPin,
];

/** Runs all checks and returns their diagnostics. */
export function checkConfig(root: Root): readonly KeyDiagnostic[] {
  return checks.flatMap((check) => check(root));
}

function checkListenAddress(root: Root): readonly KeyDiagnostic[] {
  const { listen } = asMapping(root['http']);
  const checked = typeof listen === 'string' ? checkListen(listen) : undefined;
  return checked === undefined || checked.ok ? [] : [{ path: ['http', 'listen'], message: checked.message }];
}

function checkOrigins(root: Root): readonly KeyDiagnostic[] {
  return [...checkOriginList(root, ['http', 'origins']), ...checkOriginList(root, ['compat', 'pin', 'allowOrigins'])];
}

function checkOriginList(root: Root, path: readonly string[]): readonly KeyDiagnostic[] {
  const origins = asList(path.reduce<unknown>((value, key) => asMapping(value)[key], root));
  return origins.flatMap((origin, index) =>
    typeof origin !== 'string' || isOrigin(origin) ? [] : [invalidOrigin([...path, index], origin)],
  );
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function invalidOrigin(path: KeyPath, origin: string): KeyDiagnostic {
  return {
    path,
    message: `${quote(origin)} is not an origin`,
    suggestions: ['write scheme://host or scheme://host:port, such as https://example.org'],
  };
}

/**
 * Checks that the client timeout is longer than the ping interval. Otherwise the gateway would close a quiet connection
 * before its client can answer a ping.
 */
function checkPingInterval(root: Root): readonly KeyDiagnostic[] {
  const declared = asMapping(root['limits']);
  const [ping, timeout] = (['pingMs', 'clientTimeoutMs'] as const).map((limit) =>
    parseDurationOr(declared[limit], limits[limit].default),
  );
  if (ping === undefined || timeout === undefined || ping < timeout) return [];
  const name = declared['clientTimeoutMs'] === undefined ? 'pingMs' : 'clientTimeoutMs';
  return [
    {
      path: ['limits', name],
      message:
        `clientTimeoutMs (${formatDuration(timeout)}) must be longer than pingMs ` +
        `(${formatDuration(ping)}), or every quiet connection times out`,
    },
  ];
}

function parseDurationOr(value: unknown, fallback: number): number | undefined {
  try {
    return value === undefined ? fallback : parseDuration(value);
  } catch {
    return undefined;
  }
}

function checkUniqueSlugs(root: Root): readonly KeyDiagnostic[] {
  const slugs = asList(root['systems'])
    .map((system) => asMapping(system)['slug'])
    .map((slug) => (typeof slug === 'string' ? slug.toLowerCase() : undefined));
  return slugs.flatMap((slug, index) => {
    const first = slugs.indexOf(slug);
    if (slug === undefined || first === index) return [];
    const message = `the slug ${quote(slug)} is already used by system number ${first + 1}`;
    return [{ path: ['systems', index, 'slug'], message, suggestions: ['choose another slug'] }];
  });
}

function checkSystems(root: Root): readonly KeyDiagnostic[] {
  return asList(root['systems'])
    .map(asMapping)
    .flatMap(({ url, lastEdit }, index) => [
      ...(typeof url !== 'string' || isHttpUrl(url) ? [] : [invalidUrl(['systems', index, 'url'], url)]),
      ...(typeof lastEdit !== 'string' || parseTime(lastEdit) !== undefined
        ? []
        : [invalidTime(['systems', index, 'lastEdit'], lastEdit)]),
    ]);
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^/]/.test(text) && URL.canParse(text);
}

function invalidUrl(path: KeyPath, url: string): KeyDiagnostic {
  return {
    path,
    message: `${quote(url)} is not an HTTP address`,
    suggestions: ['write one such as https://example.org/'],
  };
}

// A placeholder in the host would let a URI choose the host.
const targetPattern = /^https?:\/\/[^/?#$\s]+[/?#][^\s]*\$\{(uri|rest)\}/;

function checkResolve(root: Root): readonly KeyDiagnostic[] {
  return Object.entries(asMapping(root['resolve'])).flatMap(([prefix, target]) =>
    typeof target !== 'string' || (targetPattern.test(target) && URL.canParse(target))
      ? []
      : [
          {
            path: ['resolve', prefix],
            message: `${quote(target)} is not an HTTP address with \${uri} or \${rest} after the host`,
            suggestions: ['write one such as https://example.org/get?uri=${uri}'],
          },
        ],
  );
}

function invalidTime(path: KeyPath, time: string): KeyDiagnostic {
  return { path, message: `${quote(time)} is not a time`, suggestions: ['write one such as 2026-11-22T10:30:00Z'] };
}

function checkCalls(root: Root): readonly KeyDiagnostic[] {
  return Object.entries(asMapping(root['calls'])).flatMap(([name, declared]) =>
    (isMapping(declared) ? checkDeclaration(declared, kinds) : []).map((diagnostic) => ({
      ...diagnostic,
      path: ['calls', name, ...diagnostic.path],
    })),
  );
}

/** Checks that every secret has exactly one source: a file or a variable. */
function checkSecretSources(root: Root): readonly KeyDiagnostic[] {
  const secrets = Object.entries(asMapping(root['secrets'])).map(([name, source]) => ({
    path: ['secrets', name],
    source,
  }));
  const pin = asMapping(asMapping(root['compat'])['pin']);
  const pinSecrets = [
    { path: ['compat', 'pin', 'token'], source: pin['token'] },
    { path: ['compat', 'pin', 'github', 'secret'], source: asMapping(pin['github'])['secret'] },
  ];
  return [...secrets, ...pinSecrets]
    .filter(({ source }) => isMapping(source))
    .flatMap(({ path, source }) => checkSecretSource(path, asMapping(source)));
}

function checkSecretSource(path: KeyPath, { file, variable }: Root): readonly KeyDiagnostic[] {
  if (file === undefined && variable === undefined)
    return [{ path, at: 'key', message: 'missing source', suggestions: ['set either "file" or "variable"'] }];
  if (file === undefined || variable === undefined) return [];
  const message = 'a secret has one source, not both "file" and "variable"';
  return [{ path: [...path, 'variable'], at: 'key', message, suggestions: ['keep one of them'] }];
}
