// Routes of the news items, oldest first.

import type { HttpDeps } from '../deps.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { renameKeys } from '../legacy-keys.ts';

export async function news(_request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  return { json: await deps.news() };
}

export async function newsAlias(_request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const items = await deps.news();
  return { json: items.map((item) => renameKeys(item, spelling)) };
}

const spelling = { id: 'ID', date: 'Date', title: 'Title', content: 'Content' };
