// The runs that came through this door: what is known of them, what they have kept, and their end.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { writeLog } from '../runs/log-text.ts';
import { whole } from './query.ts';
import { timestamp, type Route } from './route.ts';

/** In one answer, when nothing is said. */
const runsUsual = 50;

export const runRoutes: readonly Route[] = [
  {
    method: 'GET', path: '/runs', summary: 'the last runs, newest first; ?limit=',
    answer: ({ query }, { runs, limits }) => {
      const { pageRunsMax } = limits();
      return { json: { runs: runs.list(whole(query, 'limit', { max: pageRunsMax, fallback: Math.min(runsUsual, pageRunsMax) })), timestamp: timestamp() } };
    },
  },
  { method: 'GET', path: '/runs/{id}', summary: 'one run', answer: ({ id }, { runs }) => ({ json: runs.get(id).record }) },
  {
    method: 'GET', path: '/runs/{id}/logs', summary: 'its log as text',
    answer: ({ id }, { runs, journal }) => {
      const { from, to } = runs.get(id);
      return { type: 'text/plain; charset=utf-8', write: (response) => writeLog(response, { run: id, from, to: to ?? journal.count }, journal) };
    },
  },
  {
    method: 'GET', path: '/runs/{id}/artifacts', summary: 'what it has kept, as a tar archive',
    answer: async ({ id, request }, { runs, artifacts }) => {
      runs.get(id);
      // Who only asks for the head would leave it half read.
      const archive = (request.method === 'HEAD' ? undefined : await artifacts(id)) ?? emptyArchive();
      const headers = { 'Content-Disposition': `attachment; filename="${id}-artifacts.tar"` };
      return { type: 'application/x-tar', headers, write: (response) => pour(archive, response) };
    },
  },
  {
    method: 'POST', path: '/runs/{id}/cancel', summary: 'stops it',
    answer: ({ id }, { runs }) => {
      runs.cancel(id);
      return { status: 202, json: { status: 'cancelling', run_id: id } };
    },
  },
];

/** As fast as the client takes it. */
async function pour(archive: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  for await (const piece of archive) {
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

/** Two blocks of zeros (POSIX.1-2017, pax, ustar). */
async function* emptyArchive(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1024);
}
