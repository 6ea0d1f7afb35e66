// The secrets that a plan asks for: fetched before anything starts, and handed to those that name them.

import type { RegistryLogin } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { quote } from '../../../calls/contract/quote.ts';
import type { Job, SecretUse } from '../language/tree.ts';

export interface Secrets {
  /** All that is not to be told. */
  readonly values: readonly string[];
  /** By the name of the variable. */
  of(uses: readonly SecretUse[]): Readonly<Record<string, string>>;
  login(name: string): RegistryLogin;
}

/** `secret` gives a value by name, or undefined when there is none. Throws WorkFailed that names everyone that is missing or is no login. */
export async function fetchSecrets(jobs: readonly Job[], secret: (name: string) => Promise<string | undefined>): Promise<Secrets> {
  const logins = loginsOf(jobs);
  const names = [...new Set([...jobs.flatMap(({ secrets }) => secrets.map((use) => use.secret)), ...logins])];
  const found = new Map(await Promise.all(names.map(async (name) => [name, await secret(name)] as const)));
  const problems = [
    ...names.filter((name) => found.get(name) === undefined).map((name) => `there is no secret ${quote(name)}; the operator declares it under secrets`),
    ...logins.filter((name) => found.get(name) !== undefined && parseLogin(found.get(name)!) === undefined)
      .map((name) => `the secret ${quote(name)} is no login for a registry: it must be "user:password", or JSON with username and password`),
  ];
  if (problems.length > 0) throw new WorkFailed(problems.join('; '));
  const value = (name: string): string => found.get(name) ?? '';
  const login = (name: string): RegistryLogin => parseLogin(value(name)) ?? { username: '', password: '' };
  return {
    values: [...[...found.values()].filter((text) => text !== undefined), ...logins.map((name) => login(name).password)],
    of: (uses) => Object.fromEntries(uses.map((use) => [use.variable, value(use.secret)])),
    login,
  };
}

/** Names of the secrets that are logins. */
export function loginsOf(jobs: readonly Job[]): readonly string[] {
  const named = jobs.flatMap(({ base, services }) => [base.type === 'host' ? undefined : base.registry, ...services.map(({ registry }) => registry)]);
  return [...new Set(named.filter((name) => name !== undefined))];
}

function parseLogin(text: string): RegistryLogin | undefined {
  const trimmed = text.trim();
  const { username, password } = trimmed.startsWith('{') ? fromJson(trimmed) : fromPair(trimmed);
  if (typeof username !== 'string' || typeof password !== 'string' || username === '' || password === '') return undefined;
  return { username, password };
}

function fromJson(text: string): { readonly username?: unknown; readonly password?: unknown } {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}

function fromPair(text: string): { readonly username?: string; readonly password?: string } {
  const colon = text.indexOf(':');
  return colon < 0 ? {} : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
