// Builds the configuration from a valid file: fills in defaults, converts units and makes paths absolute.

import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Call } from '../../calls/contract/call.ts';
import { findKind } from '../../calls/declare/check-declaration.ts';
import { declareCall } from '../../calls/declare/declaration.ts';
import { readRetention } from '../../calls/declare/policies.ts';
import { kinds } from '../../calls/kinds.ts';
import { omitUndefined } from '../../calls/text/omit-undefined.ts';
import { parseDuration, parseSize } from '../../calls/text/units.ts';
import type { LimitName, Limits } from '../../protocol/limits.ts';
import { defaultLimits, limits } from '../../protocol/limits.ts';
import type { Config, System } from './config.ts';
import { readPipelineFile } from './load/read-file.ts';
import { asList, asMapping, isMapping } from './loose-access.ts';
import { checkListen, defaultListen } from './schema/listen.ts';
import { buildPinConfig } from './schema/pin.ts';
import { buildPipelines, buildSecrets, permissionsFor } from './schema/pipelines.ts';

type Root = Readonly<Record<string, unknown>>;

/** Values of keys that the file does not set. */
export const defaults = {
  data: '.distillery',
  dockerHost: 'auto',
  retention: { age: '30d', runs: 10_000, bytes: '10g' },
  // Longer than 60 s, the time for which common load balancers keep idle connections.
  http: { keepAlive: '65s' },
  shutdown: { grace: '10s', containers: 'stop' },
  environment: ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL'],
} as const;

/**
 * Builds the configuration from `root`, which has passed every check. `base` is the folder of the file. The calls of
 * the modules follow the declared calls.
 */
export function buildConfig(root: Root, base: string, moduleCalls: readonly Call[]): Config {
  const configLimits = buildLimits(root);
  const permissions = {
    pipelines: buildPipelines(root['pipelines'], base),
    secrets: buildSecrets(root['secrets'], base),
  };
  return {
    http: buildHttp(asMapping(root['http'])),
    home: { list: { public: true, private: true, ...asMapping(asMapping(root['home'])['list']) } },
    data: resolve(base, stringOr(root['data'], defaults.data)),
    docker: { host: stringOr(asMapping(root['docker'])['host'], defaults.dockerHost) },
    environment: (root['environment'] as readonly string[] | undefined) ?? defaults.environment,
    retention: readRetention({ ...defaults.retention, ...asMapping(root['retention']) }) as Config['retention'],
    shutdown: {
      graceMs: parseDuration(asMapping(root['shutdown'])['grace'] ?? defaults.shutdown.grace),
      containers: asMapping(root['shutdown'])['containers'] === 'leave' ? 'leave' : 'stop',
    },
    limits: configLimits,
    systems: asList(root['systems']).map((system) => ({
      ...systemDefaults,
      ...(system as Partial<System> & Pick<System, 'slug' | 'url'>),
    })),
    resolve: Object.entries(asMapping(root['resolve'])).map(([prefix, target]) => ({ prefix, target: String(target) })),
    ...omitUndefined({ news: typeof root['news'] === 'string' ? resolve(base, root['news']) : undefined }),
    node: stringOr(root['node'], hostname()),
    ...permissions,
    compat: omitUndefined({
      pin: isMapping(asMapping(root['compat'])['pin'])
        ? buildPinConfig(asMapping(root['compat'])['pin'], base)
        : undefined,
    }),
    calls: [...declaredCalls(root, { base, graceMs: configLimits.graceMs, permissions }), ...moduleCalls],
  };
}

/** Builds only the limits, which other checks need first. An invalid limit gets its default. */
export function buildLimits(root: Root): Limits {
  const declared = Object.entries(asMapping(root['limits'])).filter(([name]) => Object.hasOwn(limits, name));
  return {
    ...defaultLimits,
    ...Object.fromEntries(declared.map(([name, value]) => [name, limitValue(name as LimitName, value)])),
  };
}

function limitValue(name: LimitName, value: unknown): number {
  try {
    switch (limits[name].unit) {
      case 'ms':
        return parseDuration(value);
      case 'bytes':
        return parseSize(value);
      default:
        return Number(value);
    }
  } catch {
    return limits[name].default;
  }
}

function buildHttp(http: Root): Config['http'] {
  const listen = checkListen(stringOr(http['listen'], defaultListen));
  if (!listen.ok) throw new Error(listen.message);
  const domains = [http['domain'], ...asList(http['domains']), http['panel']].filter(
    (name) => typeof name === 'string',
  );
  return {
    api: http['api'] === true,
    host: listen.host,
    port: listen.port,
    domains: [...new Set(domains.map((name) => name.toLowerCase()))],
    origins: asList(http['origins']) as readonly string[],
    keepAliveMs: parseDuration(http['keepAlive'] ?? defaults.http.keepAlive),
  };
}

const systemDefaults = {
  tagline: '',
  entityCount: 0,
  bundleCount: 0,
  lastEdit: null,
  running: true,
  listed: true,
} as const;

interface CallBuildContext {
  readonly base: string;
  readonly graceMs: number;
  readonly permissions: Pick<Config, 'pipelines' | 'secrets'>;
}

function declaredCalls(root: Root, { base, graceMs, permissions }: CallBuildContext): readonly Call[] {
  return Object.entries(asMapping(root['calls'])).map(([name, declared]) => {
    const kind = findKind(asMapping(declared), kinds);
    if (kind === undefined) throw new Error(`call "${name}" has no kind`);
    const source = {
      path: (relative: string) => resolve(base, relative),
      read: readPipelineFile,
      pipelines: permissionsFor(name, permissions, { declared: true }),
    };
    return declareCall(name, asMapping(declared), { kind, source, graceMs });
  });
}

function stringOr(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback;
}
