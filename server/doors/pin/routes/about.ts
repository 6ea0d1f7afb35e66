// What the door says of itself.

import { spokenDuration } from '../durations.ts';
import { timestamp, type Answer, type DoorParts, type Route } from './route.ts';

/** `routes` are all there are. */
export function rootRoute(routes: () => readonly Route[]): Route {
  return {
    method: 'GET', path: '/', summary: 'what is here', open: true,
    answer: (_asked, door) => ({
      json: {
        service: 'pin-daemon', version: door.version, status: door.isStopping() ? 'stopping' : 'running',
        endpoints: Object.fromEntries(routes().map(({ method, path, summary }) => [path, `${method}: ${summary}`])),
        uptime: uptime(door), connected_clients: door.streams.size, timestamp: timestamp(),
      },
    }),
  };
}

export const healthRoute: Route = {
  method: 'GET', path: '/health', summary: 'whether all is well', unnamed: true,
  answer: (_asked, door): Answer => ({
    json: {
      status: 'healthy', uptime: uptime(door), connected_clients: door.streams.size, clients: door.streams.size,
      last_pipeline: door.runs.last, total_pipelines_executed: door.runs.executed, timestamp: timestamp(),
    },
  }),
};

function uptime({ startedMs }: DoorParts): string {
  return spokenDuration(Date.now() - startedMs);
}
