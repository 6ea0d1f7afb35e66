// Chooses the dialect of a session from its endpoint and from the subprotocols that the client offers.

import type { Dialect } from './dialect.ts';
import { pow1 } from './pow-1.ts';
import { v1 } from './v1.ts';
import { v2 } from './v2.ts';

/** Dialects that a client can offer as a subprotocol, in order of preference. */
const namedDialects: readonly Dialect[] = [v2, pow1];

export const subprotocols: readonly string[] = namedDialects.map((dialect) => dialect.name);

/** Paths that accept websockets. `/api/v1/pow` speaks only pow-1. */
export const endpoints = ['/api/v1/ws', '/api/v1/pow'] as const;
export type Endpoint = (typeof endpoints)[number];

/** Returns the dialect for the offered subprotocols; undefined if the endpoint supports none of them. */
export function chooseDialect(offered: readonly string[], endpoint: Endpoint = '/api/v1/ws'): Dialect | undefined {
  if (endpoint === '/api/v1/pow') return offered.includes(pow1.name) ? pow1 : undefined;
  if (offered.length === 0) return v1;
  return namedDialects.find((dialect) => offered.includes(dialect.name));
}
