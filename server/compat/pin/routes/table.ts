// Route table of the pin API. The listener, GET / and a test read it.

import { eventsRoute, runEventsRoute } from './events.ts';
import { healthRoute, rootRoute } from './info.ts';
import { type EventForm, eventForms, type PinRoute } from './route.ts';
import { runRoutes } from './runs.ts';
import { triggerRoute } from './trigger.ts';
import { webhookRoute } from './webhook.ts';

/** The routes that GET / lists. */
export const canonicalRoutes: readonly PinRoute[] = [
  rootRoute(() => canonicalRoutes),
  healthRoute,
  eventsRoute,
  triggerRoute,
  ...runRoutes,
  runEventsRoute,
  webhookRoute,
];

/** All routes, including those below the base paths, which select the form of events. */
export const routes: readonly PinRoute[] = [
  ...canonicalRoutes,
  ...eventForms.flatMap((base) => canonicalRoutes.map((route) => routeBelow(base, route))),
];

function routeBelow(base: EventForm, route: PinRoute): PinRoute {
  return {
    ...route,
    path: `/${base}${route.path.replace(/^\/$/, '')}`,
    handle: (request, deps) => route.handle(request, { ...deps, base }),
  };
}
