// Decides which host names an API accepts in the Host header. This stops DNS rebinding: an attacker can make a host
// name resolve to 127.0.0.1, but pages of that host still send its name.

import { isIP } from 'node:net';

/** The result of a check; `rejected` is the message for the client. */
export type CheckResult = { readonly accepted: true } | { readonly rejected: string };

export const accepted: CheckResult = { accepted: true };

export interface HostRules {
  /** Address that the gateway listens on. */
  readonly listenHost: string;
  /** Further accepted host names. A name with a port is accepted with that port only. */
  readonly domains: readonly string[];
}

/**
 * Accepts a Host header that names loopback, the listen address or a domain. Compares the port only for a domain with
 * a port: port forwarding changes ports, and a port does not help an attacker's page.
 */
export function checkHost(header: string | undefined, rules: HostRules): CheckResult {
  const host = parseHost(header);
  if (host !== undefined && (isLoopbackName(host.name) || isConfigured(host, rules))) return accepted;
  return {
    rejected:
      `not found: the gateway does not answer for the host ${quoteHeader(header)}; ` +
      'http.domains lists the accepted hosts',
  };
}

/** Returns whether a Host header names loopback, any IP address, or one of `names`, on any port. */
export function isAddressOrName(header: string | undefined, names: readonly string[]): boolean {
  const name = parseHost(header)?.name;
  if (name === undefined) return false;
  return isLoopbackName(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || names.includes(name);
}

/** Quotes a header for a message, cut after 100 characters. */
export function quoteHeader(header: string | undefined): string {
  return JSON.stringify((header ?? '').slice(0, 100));
}

interface Host {
  readonly name: string;
  /** The name with its port or, without a port, with each default port. */
  readonly withPort: readonly string[];
}

const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(:\d{1,5})?$/;

function parseHost(header: string | undefined): Host | undefined {
  const match = hostPattern.exec(header?.toLowerCase() ?? '');
  const name = match?.[1];
  if (name === undefined) return undefined;
  const ports = match?.[2] === undefined ? [':80', ':443'] : [match[2]];
  return { name, withPort: ports.map((port) => name + port) };
}

const loopbackPattern = /^(([a-z0-9_-]+\.)*localhost|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::1\])$/;

function isLoopbackName(name: string): boolean {
  return loopbackPattern.test(name);
}

function isConfigured(host: Host, rules: HostRules): boolean {
  const listen = rules.listenHost.toLowerCase();
  if (host.name === listen || host.name === `[${listen}]`) return true;
  return rules.domains.some((domain) => [host.name, ...host.withPort].includes(domain.toLowerCase()));
}
