// Types of a route of the pow-1 REST API: a row of the table in routes.ts.

import type { Route } from '../../http/kit/route-table.ts';
import type { PowDeps } from './deps.ts';
import type { TrackedRuns } from './tracked-runs.ts';

export interface PowContext extends PowDeps {
  readonly trackedRuns: TrackedRuns;
}

/** A route with its description for the documentation. */
export interface PowRoute extends Route<PowContext> {
  readonly method: 'GET' | 'POST';
  /** Description of the request body. Absent if the route reads no body. */
  readonly body?: string;
  /** Description of the response with status 200. */
  readonly success: string;
  /** Description of the response for each status other than 200. */
  readonly failures: Readonly<Record<number, string>>;
}
