// Route for a browser that opens the address of the gateway without a path.

import type { HttpDeps } from '../deps.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';

export function root(_request: RouteRequest, deps: HttpDeps): RouteResponse {
  return { text: `Distillery Gateway\n\n${deps.config().http.api ? enabledText : disabledText}` };
}

const enabledText = 'JSON: /api/v1/http/\nWebsocket: /api/v1/ws\n';
const disabledText = 'The API is disabled; `http: { api: true }` in distillery.yaml enables it.\n';
