// Which dialect a session speaks: the subprotocols the client offered decide, at the endpoint that has them all. The other one is for pow-1 alone.

import type { Dialect } from './dialect.ts';
import { pow1 } from './pow-1.ts';
import { v1 } from './v1.ts';
import { v2 } from './v2.ts';

/** In order of preference. */
const named: readonly Dialect[] = [v2, pow1];

export const subprotocols: readonly string[] = named.map((dialect) => dialect.name);

/** Where websockets are opened. */
export const endpoints = ['/api/v1/ws', '/api/v1/pow'] as const;
export type Endpoint = (typeof endpoints)[number];

/** The dialect for what was offered; undefined when it cannot be spoken there. */
export function chooseDialect(offered: readonly string[], endpoint: Endpoint = '/api/v1/ws'): Dialect | undefined {
  if (endpoint === '/api/v1/pow') return offered.includes(pow1.name) ? pow1 : undefined;
  if (offered.length === 0) return v1;
  return named.find((dialect) => offered.includes(dialect.name));
}
