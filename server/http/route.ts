// Type of a route of the JSON API: a row of the table in routes/routes.ts.

import type { HttpDeps } from './deps.ts';
import type { Route } from './kit/route-table.ts';

export interface JsonRoute extends Route<HttpDeps> {
  /** Scope that a caller needs. Default: none. */
  readonly scope?: string;
  /** Canonical path that replaces this older path. Absent for canonical paths. */
  readonly aliasOf?: string;
}
