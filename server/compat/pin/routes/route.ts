// Types of a route of the pin API: a row of the table in table.ts.

import type { Route, RouteRequest } from '../../../http/kit/route-table.ts';
import type { PinDeps } from '../deps.ts';
import type { PinEvent } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import type { PinStreams } from '../events/streams.ts';
import type { PinRuns } from '../runs/runs.ts';

/** Whether frames of an event stream have an `event:` line. */
export const eventForms = ['named', 'unnamed'] as const;
export type EventForm = (typeof eventForms)[number];

export interface PinRoute extends Route<RouteDeps> {
  readonly method: 'GET' | 'POST';
  /** True if the route needs no token. */
  readonly open?: true;
}

/** Dependencies of the routes. */
export interface RouteDeps extends Pick<PinDeps, 'options' | 'limits' | 'version' | 'artifacts' | 'log'> {
  readonly eventLog: EventLog;
  /** The event `daemon_start`, for clients that connect after the start. */
  readonly daemonStart: PinEvent;
  readonly streams: PinStreams;
  readonly runs: PinRuns;
  /** Folder of the uploads in progress. */
  readonly uploads: string;
  readonly secrets: { readonly token?: string; readonly github?: string };
  /** Form of events that the base path of the request selects. Absent: the path has no base. */
  readonly base?: EventForm;
  /** Time of the start, by the monotonic clock. */
  readonly startedMs: number;
  isStopping(): boolean;
}

export function runId({ segments }: RouteRequest): string {
  return segments['id'] ?? '';
}

export function timestamp(): string {
  return new Date().toISOString();
}
