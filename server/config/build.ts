// A valid file becomes the configuration: defaults filled in, words turned into numbers, paths made absolute.

import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { kinds } from '../../calls/catalogue.ts';
import type { Call } from '../../calls/contract/call.ts';
import { kindOf } from '../../calls/contract/check-declaration.ts';
import { declareCall } from '../../calls/contract/declaration.ts';
import { readRetention } from '../../calls/contract/policies.ts';
import { present } from '../../calls/contract/present.ts';
import { parseDuration, parseSize } from '../../calls/contract/units.ts';
import { defaultLimits, limits } from '../../protocol/limits.ts';
import type { LimitName, Limits } from '../../protocol/limits.ts';
import type { Config, System } from './config.ts';
import { checkListen, defaultListen } from './listen.ts';
import { buildPinDoor } from './pin-door.ts';
import { allowanceOf, buildPipelines, buildSecrets } from './pipelines.ts';
import { readPipelineFile } from './read.ts';
import { isMapping, items, mapping } from './shape.ts';

type Root = Readonly<Record<string, unknown>>;

/** What an absent key stands for. */
export const defaults = {
  data: '.distillery',
  dockerHost: 'auto',
  retention: { age: '30d', runs: 10_000, bytes: '10g' },
  shutdown: { grace: '10s' },
  environment: ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL'],
} as const;

/** `root` has passed every check; `base` is the folder of the file; `moduleCalls` come after the declared ones. */
export function buildConfig(root: Root, base: string, moduleCalls: readonly Call[]): Config {
  const bounds = buildLimits(root);
  const opened = { pipelines: buildPipelines(root['pipelines'], base), secrets: buildSecrets(root['secrets'], base) };
  return {
    http: buildHttp(mapping(root['http'])),
    home: { list: { public: true, private: true, ...mapping(mapping(root['home'])['list']) } },
    data: resolve(base, textOr(root['data'], defaults.data)),
    docker: { host: textOr(mapping(root['docker'])['host'], defaults.dockerHost) },
    environment: (root['environment'] as readonly string[] | undefined) ?? defaults.environment,
    retention: readRetention({ ...defaults.retention, ...mapping(root['retention']) }) as Config['retention'],
    shutdown: { graceMs: parseDuration(mapping(root['shutdown'])['grace'] ?? defaults.shutdown.grace) },
    limits: bounds,
    systems: items(root['systems']).map((system) => ({ ...blankSystem, ...(system as Partial<System> & Pick<System, 'slug' | 'url'>) })),
    ...present({ news: typeof root['news'] === 'string' ? resolve(base, root['news']) : undefined }),
    node: textOr(root['node'], hostname()),
    ...opened,
    doors: present({ pin: isMapping(mapping(root['doors'])['pin']) ? buildPinDoor(mapping(root['doors'])['pin'], base) : undefined }),
    calls: [...declaredCalls(root, { base, graceMs: bounds.graceMs, opened }), ...moduleCalls],
  };
}

/** The limits alone: they are needed before the rest, and are complete as far as they are valid. */
export function buildLimits(root: Root): Limits {
  const declared = Object.entries(mapping(root['limits'])).filter(([name]) => Object.hasOwn(limits, name));
  return { ...defaultLimits, ...Object.fromEntries(declared.map(([name, value]) => [name, amount(name as LimitName, value)])) };
}

function amount(name: LimitName, value: unknown): number {
  try {
    switch (limits[name].unit) {
      case 'ms': return parseDuration(value);
      case 'bytes': return parseSize(value);
      default: return Number(value);
    }
  } catch {
    return limits[name].default;
  }
}

function buildHttp(http: Root): Config['http'] {
  const listen = checkListen(textOr(http['listen'], defaultListen));
  if (!listen.ok) throw new Error(listen.message);
  const domains = [http['domain'], ...items(http['domains']), http['panel']].filter((name) => typeof name === 'string');
  return {
    api: http['api'] === true,
    host: listen.host,
    port: listen.port,
    domains: [...new Set(domains.map((name) => name.toLowerCase()))],
    origins: items(http['origins']) as readonly string[],
  };
}

const blankSystem = { tagline: '', entityCount: 0, bundleCount: 0, lastEdit: null, running: true, listed: true } as const;

interface Surroundings {
  readonly base: string;
  readonly graceMs: number;
  readonly opened: Pick<Config, 'pipelines' | 'secrets'>;
}

function declaredCalls(root: Root, { base, graceMs, opened }: Surroundings): readonly Call[] {
  return Object.entries(mapping(root['calls'])).map(([name, declared]) => {
    const kind = kindOf(mapping(declared), kinds);
    if (kind === undefined) throw new Error(`call "${name}" has no kind`);
    const place = { path: (relative: string) => resolve(base, relative), read: readPipelineFile, pipelines: allowanceOf(name, opened, { declared: true }) };
    return declareCall(name, mapping(declared), { kind, place, graceMs });
  });
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
