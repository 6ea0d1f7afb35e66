// The checks before any route is looked at: is the API on, and is it us who are asked.

import type { HttpParts } from './parts.ts';
import { Refusal } from './refusal.ts';

export function isApi(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}

/** Throws a Refusal: 501 for the whole of /api while it is off, then 404 for hosts the gateway does not answer for. */
export function checkDoor(asked: { readonly path: string; readonly host: string }, parts: HttpParts): void {
  const { http } = parts.config();
  if (isApi(asked.path) && !http.api) throw new Refusal('not_implemented');
  if (forProbes.test(asked.path)) return;
  const host = parts.access.checkHost(asked.host, { listenHost: http.host, domains: http.domains });
  if ('refused' in host) throw new Refusal('unknown_host', host.refused);
}

// Probes ask by whatever address they have, and learn nothing that a foreign page could use.
const forProbes = /^\/(healthz|readyz)\/?$/;
