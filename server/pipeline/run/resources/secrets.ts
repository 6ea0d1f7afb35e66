// Reads the secrets of a plan before any job starts, and provides them to the jobs that name them.

import type { RegistryLogin } from '../../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../../calls/contract/engines.ts';
import { quote } from '../../../../calls/text/quote.ts';
import type { Job, SecretUse } from '../../language/model.ts';

const loginFormats = '"user:password", or JSON with username and password';

export interface Secrets {
  /** All texts that the output must not contain. */
  readonly values: readonly string[];
  /** Returns the values of secrets by variable name. */
  variablesFor(uses: readonly SecretUse[]): Readonly<Record<string, string>>;
  login(name: string): RegistryLogin;
}

/**
 * Reads all secrets that the jobs name. `secret` returns a value by name, or undefined. Rejects with WorkFailed, which
 * names every secret that is missing or is not a valid login.
 */
export async function fetchSecrets(
  jobs: readonly Job[],
  secret: (name: string) => Promise<string | undefined>,
): Promise<Secrets> {
  const logins = loginSecretNames(jobs);
  const names = secretNames(jobs);
  const values = new Map(await Promise.all(names.map(async (name) => [name, await secret(name)] as const)));
  const failures = [
    ...names
      .filter((name) => values.get(name) === undefined)
      .map((name) => `the secret ${quote(name)} does not exist; the operator declares secrets under secrets`),
    ...logins
      .filter((name) => values.get(name) !== undefined && parseLogin(values.get(name)!) === undefined)
      .map((name) => `the secret ${quote(name)} is not a registry login: it must be ${loginFormats}`),
  ];
  if (failures.length > 0) throw new WorkFailed(failures.join('; '));
  const value = (name: string): string => values.get(name) ?? '';
  const login = (name: string): RegistryLogin => parseLogin(value(name)) ?? { username: '', password: '' };
  return {
    values: [
      ...[...values.values()].filter((text) => text !== undefined),
      ...logins.map((name) => login(name).password),
    ],
    variablesFor: (uses) => Object.fromEntries(uses.map((use) => [use.variable, value(use.secret)])),
    login,
  };
}

/** Returns the names of all secrets that the jobs use. */
export function secretNames(jobs: readonly Job[]): readonly string[] {
  const variables = jobs.flatMap(({ secrets }) => secrets.map((use) => use.secret));
  return [...new Set([...variables, ...loginSecretNames(jobs)])];
}

/** Returns the names of secrets that are used as registry logins. */
function loginSecretNames(jobs: readonly Job[]): readonly string[] {
  const named = jobs.flatMap(({ base, services }) => [
    base.type === 'host' ? undefined : base.registry,
    ...services.map(({ registry }) => registry),
  ]);
  return [...new Set(named.filter((name) => name !== undefined))];
}

function parseLogin(text: string): RegistryLogin | undefined {
  const trimmed = text.trim();
  const { username, password } = trimmed.startsWith('{') ? fromJson(trimmed) : fromPair(trimmed);
  if (typeof username !== 'string' || typeof password !== 'string' || username === '' || password === '')
    return undefined;
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
