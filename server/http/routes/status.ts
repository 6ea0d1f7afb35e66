// Route of the status of the gateway.

import type { HttpDeps } from '../deps.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

export async function status(_request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  return { json: await deps.status() };
}
