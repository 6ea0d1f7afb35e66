// Which dialect a session speaks: the subprotocols the client offered decide, not the path.

import type { Dialect } from './dialect.ts';
import { v1 } from './v1.ts';
import { v2 } from './v2.ts';

/** In order of preference. */
const named: readonly Dialect[] = [v2];

export const subprotocols: readonly string[] = named.map((dialect) => dialect.name);

/** The dialect for what was offered; undefined when something was offered and nothing of it is known. */
export function chooseDialect(offered: readonly string[]): Dialect | undefined {
  if (offered.length === 0) return v1;
  return named.find((dialect) => offered.includes(dialect.name));
}
