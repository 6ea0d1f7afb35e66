// Routes of the artifacts of a run: the list, and the download of one file.

import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { findRun } from './runs.ts';

export async function artifacts(request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const { id } = findRun(request, deps);
  return { json: await deps.runs.artifacts(id, deps.config().limits.pageArtifactsMax) };
}

export async function artifact(request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const { id } = findRun(request, deps);
  // A trailing slash belongs to the URL, not to the path of the file.
  const path = (request.segments['path'] ?? '').replace(/\/$/, '');
  const found = await deps.runs.artifact(id, path);
  if (found !== undefined) return { download: { ...found, name: path.slice(path.lastIndexOf('/') + 1) } };
  throw new ApiError('not_found', `no such artifact ${quoted(path)}; /api/v1/http/runs/${id}/artifacts lists them`);
}
