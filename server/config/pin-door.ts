// The section `doors.pin`: the pin daemon's API, on an address of its own or under a path of the gateway's.

import { resolve } from 'node:path';
import type { JsonSchema } from '../../calls/contract/call.ts';
import { path } from '../../calls/contract/parts.ts';
import { present } from '../../calls/contract/present.ts';
import { quote } from '../../calls/contract/quote.ts';
import { parseSize } from '../../calls/contract/units.ts';
import type { PinDoor } from './config.ts';
import type { Finding } from './explain.ts';
import { checkDoorListen } from './listen.ts';
import { buildSource, sourceKeys } from './pipelines.ts';
import { isMapping, items, mapping } from './shape.ts';

const flag: JsonSchema = { type: 'boolean' };
const source: JsonSchema = section(sourceKeys);

export const githubKeys = {
  secret: source,
  branch: { type: 'string', minLength: 1, says: 'must not be empty' },
  pipeline: path,
} as const satisfies Record<string, JsonSchema>;

export const pinKeys = {
  listen: { type: 'string' },
  prefix: { type: 'string', pattern: '^(/[A-Za-z0-9._~-]+)+$', says: 'must be a path such as "/pin", without a slash at its end' },
  token: source,
  withoutToken: flag,
  workspace: path,
  allowOrigins: { type: 'array', items: { type: 'string' } },
  allowHostJobs: flag,
  maxConcurrent: { type: 'integer', minimum: 1 },
  github: section(githubKeys),
  initial: path,
  eventsBytes: { size: { min: 1 << 16 } },
} as const satisfies Record<string, JsonSchema>;

/** What an absent key stands for. */
export const pinDefaults = { listen: '127.0.0.1:8081', maxConcurrent: 1, branch: 'main', eventsBytes: '1g' } as const;

function section(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}

/** `declared` has passed every check. */
export function buildPinDoor(declared: unknown, base: string): PinDoor {
  const door = mapping(declared);
  const { prefix, token, workspace, github, initial } = door;
  return {
    ...(typeof prefix === 'string' ? { prefix } : { listen: listenOf(door['listen']) }),
    ...present({
      token: token === undefined ? undefined : buildSource(token, base),
      workspace: typeof workspace === 'string' ? resolve(base, workspace) : undefined,
      github: github === undefined ? undefined : buildGithub(mapping(github), base),
      initial: typeof initial === 'string' ? resolve(base, initial) : undefined,
    }),
    withoutToken: door['withoutToken'] === true,
    allowOrigins: items(door['allowOrigins']) as readonly string[],
    allowHostJobs: door['allowHostJobs'] === true,
    maxConcurrent: Number(door['maxConcurrent'] ?? pinDefaults.maxConcurrent),
    eventsBytes: parseSize(door['eventsBytes'] ?? pinDefaults.eventsBytes),
  };
}

function listenOf(declared: unknown): { readonly host: string; readonly port: number } {
  const listen = checkDoorListen(typeof declared === 'string' ? declared : pinDefaults.listen, { open: true });
  if (!listen.ok) throw new Error(listen.message);
  return { host: listen.host, port: listen.port };
}

function buildGithub({ secret, branch, pipeline }: Readonly<Record<string, unknown>>, base: string): NonNullable<PinDoor['github']> {
  return {
    branch: typeof branch === 'string' ? branch : pinDefaults.branch,
    ...present({
      secret: secret === undefined ? undefined : buildSource(secret, base),
      pipeline: typeof pipeline === 'string' ? resolve(base, pipeline) : undefined,
    }),
  };
}

/** The call that its runs are of; no other can have this name beside the door. */
export const pinDoorCall = 'pin';

/** Paths of the gateway itself. */
const taken = ['/api', '/healthz', '/readyz', '/metrics'];

/** What its schema cannot say. */
export function checkPinDoor(root: Readonly<Record<string, unknown>>): readonly Finding[] {
  const door = mapping(root['doors'])['pin'];
  if (!isMapping(door)) return [];
  const at = (...keys: readonly string[]): Finding['spot'] => ({ path: ['doors', 'pin', ...keys] });
  const { listen, prefix, token, withoutToken } = door;
  const open = isMapping(token) || withoutToken === true;
  const checked = typeof listen === 'string' ? checkDoorListen(listen, { open }) : undefined;
  const inside = typeof prefix === 'string' ? taken.find((path) => prefix === path || prefix.startsWith(`${path}/`)) : undefined;
  return [
    ...(Object.hasOwn(mapping(root['calls']), pinDoorCall) ? [{ spot: { path: ['calls', pinDoorCall], at: 'key' as const }, message: `"${pinDoorCall}" is the call of the pin door; give this one another name` }] : []),
    ...(listen !== undefined && prefix !== undefined ? [{ spot: { ...at('prefix'), at: 'key' as const }, message: 'the door is at an address of its own (listen) or at a path of the gateway\'s (prefix); keep one of them' }] : []),
    ...(checked === undefined || checked.ok ? [] : [{ spot: at('listen'), message: checked.message }]),
    ...(inside === undefined ? [] : [{ spot: at('prefix'), message: `${quote(prefix)} is inside of ${inside}, which is the gateway's own; write another, such as /pin` }]),
  ];
}
