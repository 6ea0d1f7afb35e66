// Which host names the gateway answers on. A page whose name an attacker points at 127.0.0.1 (DNS rebinding) still
// sends its own name in Host; that is where it is told apart.

import { accepted } from './checked.ts';
import type { Checked } from './checked.ts';

export interface HostRules {
  /** The address listened on. */
  readonly listenHost: string;
  /** Names answered for beside loopback. With a port: on that port only. */
  readonly domains: readonly string[];
}

/**
 * Accepts a Host header that names loopback, the address listened on or a configured domain, on any port: a forwarded
 * port changes the number the client knows, and an attacker's page cannot choose its name by it.
 */
export function checkHost(header: string | undefined, rules: HostRules): Checked {
  const host = parseHost(header);
  if (host !== undefined && (isLoopback(host.name) || isNamed(host, rules))) return accepted;
  return { refused: `not found: the gateway does not answer for the host ${shown(header)}; http.domains names those it answers for` };
}

interface Host {
  readonly name: string;
  /** The name with the port the client gave, when it gave one. */
  readonly full: string;
}

const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(:\d{1,5})?$/;

function parseHost(header: string | undefined): Host | undefined {
  const match = hostPattern.exec(header?.toLowerCase() ?? '');
  const name = match?.[1];
  return name === undefined ? undefined : { name, full: name + (match?.[2] ?? '') };
}

const loopbackPattern = /^(([a-z0-9_-]+\.)*localhost|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::1\])$/;

function isLoopback(name: string): boolean {
  return loopbackPattern.test(name);
}

function isNamed(host: Host, rules: HostRules): boolean {
  const listen = rules.listenHost.toLowerCase();
  if (host.name === listen || host.name === `[${listen}]`) return true;
  return rules.domains.some((domain) => [host.name, host.full].includes(domain.toLowerCase()));
}

function shown(header: string | undefined): string {
  return JSON.stringify((header ?? '').slice(0, 100));
}
