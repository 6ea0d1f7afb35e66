// Encodes registry logins for the requests to the engine. Only the engine receives them.
//
// Source: Docker Engine API 1.41, "Authentication": JSON in URL-safe base64.

import type { RegistryLogin } from '../../../calls/contract/containers.ts';

/** Encodes the login for one registry: the header `X-Registry-Auth`. */
export function registryAuth({ username, password }: RegistryLogin): string {
  return encodeJson({ username, password });
}

/** Encodes logins for several registries by host: the header `X-Registry-Config`. */
export function registryConfig(byHost: Readonly<Record<string, RegistryLogin>>): string {
  return encodeJson(
    Object.fromEntries(
      Object.entries(byHost).map(([host, { username, password }]) => [registryAddress(host), { username, password }]),
    ),
  );
}

/** Masks passwords in a text, because a registry may repeat them in an error. */
export function maskPasswords(message: string, logins: readonly RegistryLogin[]): string {
  return logins.reduce((text, { password }) => (password === '' ? text : text.replaceAll(password, '***')), message);
}

function encodeJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Returns the address by which the engine identifies a registry: for Docker Hub its original address. */
function registryAddress(host: string): string {
  return host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
}
