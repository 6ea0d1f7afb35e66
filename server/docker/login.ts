// What a registry wants to know, on its way to the engine, and never any other way.
// Source: Docker Engine API 1.41, "Authentication": JSON in URL-safe base64.

import type { RegistryLogin } from '../../calls/contract/containers.ts';

/** For one registry: the header `X-Registry-Auth`. */
export function oneLogin({ username, password }: RegistryLogin): string {
  return encoded({ username, password });
}

/** For several, by their hosts: the header `X-Registry-Config`. */
export function logins(byHost: Readonly<Record<string, RegistryLogin>>): string {
  return encoded(Object.fromEntries(Object.entries(byHost).map(([host, { username, password }]) => [addressOf(host), { username, password }])));
}

/** A registry may answer with what it was told. */
export function withoutPasswords(words: string, told: readonly RegistryLogin[]): string {
  return told.reduce((text, { password }) => (password === '' ? text : text.replaceAll(password, '***')), words);
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** The engine knows the one that is meant without a host by the address it had first. */
function addressOf(host: string): string {
  return host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
}
