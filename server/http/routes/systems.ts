// Routes of the systems that a caller may see: running ones that are listed.

import type { Config, System } from '../../config/config.ts';
import type { HttpDeps } from '../deps.ts';
import type { RouteRequest, RouteResponse } from '../kit/route-table.ts';
import { renameKeys } from '../legacy-keys.ts';

export function systems(request: RouteRequest, deps: HttpDeps): RouteResponse {
  return { json: visibleSystems(request, deps) };
}

export function systemsAlias(request: RouteRequest, deps: HttpDeps): RouteResponse {
  const older = visibleSystems(request, deps).map((system) => ({ ...system, lastEdit: system.lastEdit ?? zeroTime }));
  return { json: older.map((system) => renameKeys(system, legacyKeys)) };
}

const legacyKeys = {
  slug: 'Slug',
  url: 'URL',
  tagline: 'Tagline',
  entityCount: 'EntityCount',
  bundleCount: 'BundleCount',
  lastEdit: 'LastEdit',
};

/** How the older routes write an unknown time. */
const zeroTime = '0001-01-01T00:00:00Z';

type SystemListing = Omit<System, 'running' | 'listed'>;

function visibleSystems(request: RouteRequest, deps: HttpDeps): readonly SystemListing[] {
  const config = deps.config();
  if (!mayList(request, deps, config.home.list)) return [];
  return config.systems.filter((system) => system.running && system.listed).map(systemListing);
}

// A token that lacks the scope gets what an anonymous caller gets.
function mayList({ caller }: RouteRequest, { access }: HttpDeps, list: Config['home']['list']): boolean {
  const known = caller.user !== '' && access.allows(caller, 'instances.directory');
  return known ? list.private : list.public;
}

function systemListing({ slug, url, tagline, entityCount, bundleCount, lastEdit }: System): SystemListing {
  return { slug, url, tagline, entityCount, bundleCount, lastEdit };
}
