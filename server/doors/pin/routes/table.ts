// Every route of the pin API, in one list: the listener, the first page and a test all read it.

import { healthRoute, rootRoute } from './about.ts';
import { eventsRoute, runEventsRoute } from './events.ts';
import type { Route } from './route.ts';
import { runRoutes } from './runs.ts';
import { triggerRoute } from './trigger.ts';
import { webhookRoute } from './webhook.ts';

export const routes: readonly Route[] = [rootRoute(() => routes), healthRoute, eventsRoute, triggerRoute, ...runRoutes, runEventsRoute, webhookRoute];

const patterns = routes.map((route) => ({ route, pattern: new RegExp(`^${route.path.replace(/\/$/, '').replace('{id}', '(?<id>[^/]+)')}$`) }));

export interface Found {
  readonly id: string;
  readonly unnamed: boolean;
  /** By what they do; never empty. */
  readonly routes: readonly Route[];
}

/** What there is at `path`, with or without a slash at its end. Undefined when there is nothing. */
export function find(path: string): Found | undefined {
  const whole = path.replace(/\/$/, '');
  const unnamed = whole.startsWith('/unnamed/');
  const sought = unnamed ? whole.slice('/unnamed'.length) : whole;
  const found = patterns.flatMap(({ route, pattern }) => {
    const match = pattern.exec(sought);
    return match === null || (unnamed && route.unnamed !== true) ? [] : [{ route, id: match.groups?.['id'] ?? '' }];
  });
  const [first] = found;
  return first === undefined ? undefined : { id: first.id, unnamed, routes: found.map(({ route }) => route) };
}
