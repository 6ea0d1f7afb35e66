// Routes of the calls: all calls, or one by name.

import { closest, distance } from 'fastest-levenshtein';
import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

export async function calls(_request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  return { json: await deps.calls() };
}

export async function call(request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const name = request.segments['name'] ?? '';
  const listed = await deps.calls();
  const found = listed.find((one) => one.name === name);
  if (found !== undefined) return { json: found };
  throw new ApiError(
    'not_found',
    `no such call ${quoted(name)}; ${suggestion(
      name,
      listed.map((one) => one.name),
    )}`,
  );
}

function suggestion(name: string, names: readonly string[]): string {
  // Search for a near name only for short names: the comparison is quadratic, and a long name is no typing error.
  const nearest = name.length <= 100 && names.length > 0 ? closest(name, names) : undefined;
  const near = nearest !== undefined && distance(name, nearest) <= Math.max(2, nearest.length / 3);
  return near ? `did you mean ${quoted(nearest)}?` : '/api/v1/http/calls lists them';
}
