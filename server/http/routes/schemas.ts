// Route of the JSON Schemas for editors.

import type { HttpDeps } from '../deps.ts';
import { ApiError } from '../kit/http-error.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

/** Returns the schema of pipeline files. */
export function pipelineSchema(_request: RouteRequest, { schemas }: HttpDeps): RouteResponse {
  if (schemas === undefined) throw new ApiError('not_found', 'this gateway has no schema for pipelines');
  return { json: schemas.pipeline };
}
