// The section `compat.pin`: the API of the pin daemon, on its own address or under a path of the gateway.

import { resolve } from 'node:path';
import type { JsonSchema } from '../../../calls/contract/call.ts';
import { pathSchema } from '../../../calls/declare/schema-parts.ts';
import type { KeyDiagnostic } from '../../../calls/text/diagnostic.ts';
import { omitUndefined } from '../../../calls/text/omit-undefined.ts';
import { quote } from '../../../calls/text/quote.ts';
import { parseSize } from '../../../calls/text/units.ts';
import type { PinConfig } from '../config.ts';
import { asList, asMapping, isMapping } from '../loose-access.ts';
import { checkCompatListen } from './listen.ts';
import { buildSource, sourceKeys } from './pipelines.ts';

const flag: JsonSchema = { type: 'boolean' };
const source: JsonSchema = section(sourceKeys);

export const githubKeys = {
  secret: source,
  branch: { type: 'string', minLength: 1, errorText: 'must not be empty' },
  pipeline: pathSchema,
} as const satisfies Record<string, JsonSchema>;

export const pinKeys = {
  listen: { type: 'string' },
  prefix: {
    type: 'string',
    pattern: '^(/[A-Za-z0-9._~-]+)+$',
    errorText: 'must be a path such as "/pin", without a slash at its end',
  },
  token: source,
  allowUnauthenticated: flag,
  workspace: pathSchema,
  allowOrigins: { type: 'array', items: { type: 'string' } },
  allowHostJobs: flag,
  maxConcurrent: { type: 'integer', minimum: 1 },
  github: section(githubKeys),
  initial: pathSchema,
  events: { enum: ['named', 'unnamed'] },
  eventsBytes: { size: { min: 1 << 16 } },
} as const satisfies Record<string, JsonSchema>;

/** Values of keys that the file does not set. */
export const pinDefaults = {
  listen: '127.0.0.1:8081',
  maxConcurrent: 1,
  branch: 'main',
  events: 'unnamed',
  eventsBytes: '1g',
} as const;

function section(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}

/** Builds the section from `declared`, which has passed every check. */
export function buildPinConfig(declared: unknown, base: string): PinConfig {
  const pin = asMapping(declared);
  const { prefix, token, workspace, github, initial } = pin;
  return {
    ...(typeof prefix === 'string' ? { prefix } : { listen: readListen(pin['listen']) }),
    ...omitUndefined({
      token: token === undefined ? undefined : buildSource(token, base),
      workspace: typeof workspace === 'string' ? resolve(base, workspace) : undefined,
      github: github === undefined ? undefined : buildGithub(asMapping(github), base),
      initial: typeof initial === 'string' ? resolve(base, initial) : undefined,
    }),
    allowUnauthenticated: pin['allowUnauthenticated'] === true,
    allowOrigins: asList(pin['allowOrigins']) as readonly string[],
    allowHostJobs: pin['allowHostJobs'] === true,
    maxConcurrent: Number(pin['maxConcurrent'] ?? pinDefaults.maxConcurrent),
    events: pin['events'] === 'named' ? 'named' : pinDefaults.events,
    eventsBytes: parseSize(pin['eventsBytes'] ?? pinDefaults.eventsBytes),
  };
}

function readListen(declared: unknown): { readonly host: string; readonly port: number } {
  const listen = checkCompatListen(typeof declared === 'string' ? declared : pinDefaults.listen, { open: true });
  if (!listen.ok) throw new Error(listen.message);
  return { host: listen.host, port: listen.port };
}

function buildGithub(
  { secret, branch, pipeline }: Readonly<Record<string, unknown>>,
  base: string,
): NonNullable<PinConfig['github']> {
  return {
    branch: typeof branch === 'string' ? branch : pinDefaults.branch,
    ...omitUndefined({
      secret: secret === undefined ? undefined : buildSource(secret, base),
      pipeline: typeof pipeline === 'string' ? resolve(base, pipeline) : undefined,
    }),
  };
}

/** Name of the call behind the API. No other call can have this name while the API is enabled. */
export const pinCallName = 'pin';

/** Paths that the gateway itself serves. */
const reservedPaths = ['/api', '/healthz', '/readyz', '/metrics'];

/** Checks of the section that the schema cannot express. */
export function checkPin(root: Readonly<Record<string, unknown>>): readonly KeyDiagnostic[] {
  const pin = asMapping(root['compat'])['pin'];
  return isMapping(pin) ? [...checkCallName(root), ...checkAddress(pin), ...checkPrefix(pin['prefix'])] : [];
}

function checkCallName(root: Readonly<Record<string, unknown>>): readonly KeyDiagnostic[] {
  if (!Object.hasOwn(asMapping(root['calls']), pinCallName)) return [];
  const message = `"${pinCallName}" is the name of the pin API's own call`;
  return [{ path: ['calls', pinCallName], at: 'key', message, suggestions: ['choose another name'] }];
}

function checkAddress({
  listen,
  prefix,
  token,
  allowUnauthenticated,
}: Readonly<Record<string, unknown>>): readonly KeyDiagnostic[] {
  const both = listen !== undefined && prefix !== undefined;
  const message = 'the pin API has either an address (listen) or a path of the gateway (prefix), not both';
  const open = isMapping(token) || allowUnauthenticated === true;
  const checked = typeof listen === 'string' ? checkCompatListen(listen, { open }) : undefined;
  return [
    ...(both ? [{ path: keyPath('prefix'), at: 'key' as const, message, suggestions: ['remove one of them'] }] : []),
    ...(checked?.ok === false ? [{ path: keyPath('listen'), message: checked.message }] : []),
  ];
}

function checkPrefix(prefix: unknown): readonly KeyDiagnostic[] {
  if (typeof prefix !== 'string') return [];
  const reserved = reservedPaths.find((path) => prefix === path || prefix.startsWith(`${path}/`));
  if (reserved === undefined) return [];
  const message = `${quote(prefix)} is inside ${reserved}, which the gateway serves`;
  return [{ path: keyPath('prefix'), message, suggestions: ['choose another path, such as /pin'] }];
}

function keyPath(key: string): readonly string[] {
  return ['compat', 'pin', key];
}
