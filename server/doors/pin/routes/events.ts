// The event streams: of everything, and of one run.

import type { IncomingMessage } from 'node:http';
import type { Start } from '../events/stream.ts';
import type { Opening } from '../events/streams.ts';
import { PinRefusal } from '../refusal.ts';
import type { Answer, Asked, DoorParts, Route } from './route.ts';

export const eventsRoute: Route = {
  method: 'GET', path: '/events', summary: 'everything that happens, as an event stream; ?run_id= one run, ?events=unnamed without names, ?last_event_id= what came after', unnamed: true,
  answer: (asked, door) => {
    const run = asked.query.get('run_id');
    return stream(door, { start: resumed(asked, door) ?? 'now', wish: { unnamed: isUnnamed(asked), ...(run !== null && run !== '' && { run }) } });
  },
};

export const runEventsRoute: Route = {
  method: 'GET', path: '/runs/{id}/events', summary: 'what happens in one run, as an event stream that ends with it',
  answer: (asked, door) => {
    const { id } = asked;
    const { from, to } = door.runs.get(id);
    const after = resumed(asked, door)?.after ?? from;
    // Otherwise a browser that has it all would ask for ever.
    if (to !== undefined && after >= to) return { nothing: true };
    return stream(door, { start: { after: Math.max(after, from) }, wish: { unnamed: isUnnamed(asked), run: id }, until: () => door.runs.endOf(id) });
  },
};

function stream(door: DoorParts, opening: Opening): Answer {
  if (door.isStopping()) throw new PinRefusal('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });
  door.streams.checkRoom();
  // Proxies are not to gather it (nginx, X-Accel-Buffering).
  return { type: 'text/event-stream', headers: { 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' }, write: (response) => door.streams.open(opening, response) };
}

/** Undefined for who comes for the first time, or with an id that is not ours. */
function resumed({ request, query }: Asked, { journal }: DoorParts): Exclude<Start, 'now'> | undefined {
  const given = lastEventId(request) ?? query.get('last_event_id') ?? '';
  const id = /^\d{1,16}$/.test(given) ? Number(given) : NaN;
  return Number.isSafeInteger(id) ? { after: journal.ids.numberOf(id, journal.count) } : undefined;
}

function lastEventId({ headers }: IncomingMessage): string | undefined {
  const given = headers['last-event-id'];
  return typeof given === 'string' && given !== '' ? given : undefined;
}

function isUnnamed({ unnamed, query }: Asked): boolean {
  const given = query.get('events');
  if (given !== null && given !== 'named' && given !== 'unnamed') throw new PinRefusal('invalid_request', `events must be named or unnamed, not ${JSON.stringify(given.slice(0, 100))}`);
  return given === null ? unnamed : given === 'unnamed';
}
