// Finds the jobs of a run from its log.

import { attachRun, endpoint, type Item, type OpenCall } from '../../../protocol/client/client.ts';
import type { RunEvent } from '../../../protocol/messages.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { GatewayAddress } from './address.ts';
import { fetchJson } from './fetch-json.ts';
import { createSocketClass } from './gateway-socket.ts';

const pingMs = 20_000;

/**
 * Resolves with the ids of the jobs: in plan order for a pipeline, and an empty list for a run without jobs. Resolves
 * with undefined if the jobs are not known: the run has not started, its first lines were removed, or it is active
 * without a plan and may name more jobs.
 */
export async function fetchJobIds(address: GatewayAddress, run: string): Promise<readonly string[] | undefined> {
  const record = await fetchJson<RunRecord>(address, `runs/${encodeURIComponent(run)}`, ['state']);
  const hasEnded = !('error' in record) && record.body.state === 'ended';
  const ids: string[] = [];
  let call: OpenCall | undefined;
  let state: Search = 'planning';
  const onItem = (item: Item): void => {
    if (isDecided(state)) return;
    if ('event' in item) state = readEvent(item.event, ids, state);
    else if ('gap' in item) state = 'unknown';
    // The plan comes before everything that the jobs print. Without a plan, the sources of all lines name the jobs.
    else if ('line' in item || 'chunk' in item) state = hasEnded ? 'without-plan' : 'unknown';
    if (isDecided(state)) call?.detach();
  };
  call = attachRun({
    url: endpoint(address.url),
    socket: createSocketClass(address, { pingMs, onRejected: () => {}, onError: () => {} }),
    reconnect: false,
    run,
    onItem,
  });
  const { status, lost } = await call.result;
  const ended = lost === undefined && status !== 'detached' && status !== 'rejected';
  return (state as Search) === 'known' || ((state as Search) !== 'unknown' && ended) ? ids : undefined;
}

type Search = 'planning' | 'without-plan' | 'known' | 'unknown';

function isDecided(state: Search): boolean {
  return state === 'known' || state === 'unknown';
}

function readEvent(event: RunEvent, ids: string[], state: Search): Search {
  if (event.type === 'pipeline-planned') return addJobs(event, ids) ? 'known' : state;
  if (event.type === 'stream') addSource(event, ids);
  return state;
}

function addSource({ job }: RunEvent, ids: string[]): void {
  if (typeof job === 'string' && !ids.includes(job)) ids.push(job);
}

/** Adds the jobs of an event. Returns true if the plan is complete: a large plan arrives in several events. */
function addJobs({ jobs, of }: RunEvent, ids: string[]): boolean {
  for (const job of Array.isArray(jobs) ? jobs : []) {
    const { id } = job as { id?: unknown };
    if (typeof id === 'string') ids.push(id);
  }
  return typeof of !== 'number' || ids.length >= of;
}
