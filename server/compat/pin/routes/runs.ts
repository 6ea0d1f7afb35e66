// Routes of the runs that the pin API started: records, log text, artifacts and cancel.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { queryInteger } from '../../../http/kit/query.ts';
import { writeLog } from '../runs/log-text.ts';
import { type PinRoute, runId, timestamp } from './route.ts';

/** Maximum number of runs in a response without `?limit=`. */
const defaultLimit = 50;

export const runRoutes: readonly PinRoute[] = [
  {
    method: 'GET',
    path: '/runs',
    summary: 'the last runs, newest first; ?limit= sets their number',
    handle: async ({ query }, { runs, limits }) => {
      const max = limits().pageRunsMax;
      const limit = queryInteger(query, 'limit', { min: 1, max, fallback: Math.min(defaultLimit, max) });
      return { json: { runs: await runs.list(limit), timestamp: timestamp() } };
    },
  },
  {
    method: 'GET',
    path: '/runs/{id}',
    summary: 'one run',
    handle: async (request, { runs }) => ({ json: await runs.record(runId(request)) }),
  },
  {
    method: 'GET',
    path: '/runs/{id}/logs',
    summary: 'the log of a run as text',
    handle: (request, { runs, eventLog }) => {
      const run = runId(request);
      const { from, to = eventLog.count } = runs.get(run);
      const type = 'text/plain; charset=utf-8';
      return { type, stream: (response) => writeLog(response, { run, from, to }, eventLog) };
    },
  },
  {
    method: 'GET',
    path: '/runs/{id}/artifacts',
    summary: 'the artifacts of a run as a tar archive',
    handle: async (request, { runs, artifacts }) => {
      const id = runId(request);
      runs.get(id);
      // Do not open the archive for HEAD, because nothing would read it to its end.
      const archive = (request.method === 'HEAD' ? undefined : await artifacts(id)) ?? emptyArchive();
      const headers = { 'Content-Disposition': `attachment; filename="${id}-artifacts.tar"` };
      return { type: 'application/x-tar', headers, stream: (response) => writeArchive(archive, response) };
    },
  },
  {
    method: 'POST',
    path: '/runs/{id}/cancel',
    summary: 'cancels a run',
    handle: (request, { runs }) => {
      const id = runId(request);
      runs.cancel(id);
      return { status: 202, json: { status: 'cancelling', run_id: id } };
    },
  },
];

/** Writes the archive at the speed of the client. */
async function writeArchive(archive: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  for await (const chunk of archive) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

/** Two blocks of zeros, which end a tar archive (POSIX.1-2017, pax, ustar). */
async function* emptyArchive(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1024);
}
