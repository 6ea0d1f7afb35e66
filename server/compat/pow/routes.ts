// Route table of the pow-1 REST API. The listener, the OpenAPI document and the HTML page read it.

import { decodeJson } from '../../../protocol/codec.ts';
import { readPow1 } from '../../../protocol/dialects/pow-1.ts';
import { ApiError, HttpError } from '../../http/kit/http-error.ts';
import { readText } from '../../http/kit/read-body.ts';
import type { Route, RouteRequest, RouteResponse } from '../../http/kit/route-table.ts';
import { RunRejected } from '../../runs/rejection.ts';
import type { PowDeps } from './deps.ts';
import { lastLines } from './last-lines.ts';
import { docsPage, openapi } from './openapi.ts';
import type { PowContext, PowRoute } from './route.ts';
import type { TrackedRun } from './tracked-runs.ts';

const unknownId = { 404: 'process not found' };

const powRoutes: readonly PowRoute[] = [
  {
    method: 'POST',
    path: '/new',
    summary: 'starts a call',
    body: 'a call message: {"call":"name","params":["a","b"]}',
    success: 'the id as a JSON string, also for a rejected call, whose status says why',
    failures: { 400: 'failed to decode call message', 413: 'message too large', 500: 'failed to create new process' },
    handle: async (request, deps) => {
      const message = readPow1(decodeJson(await readBody(request, deps)));
      if (message.type !== 'call') throw new HttpError(400, 'failed to decode call message');
      return json(await deps.trackedRuns.start(message, request.caller));
    },
  },
  {
    method: 'GET',
    path: '/status/{id}',
    summary: 'the last lines of the output, and the result',
    success: [
      '{"buffer"?:"…","result":{"status":"pending"}}, or the result: ',
      '{"status":"fulfilled","value":…} or {"status":"rejected","reason":"…"}',
    ].join(''),
    failures: unknownId,
    handle: async (request, deps) => {
      const run = findRun(request, deps);
      // Read the result before the lines, so that an ended run always has all its lines.
      const result = run.settled ?? { status: 'pending' };
      const buffer = run.started ? await readLastLines(run.id, deps) : '';
      return json({ ...(buffer !== '' && { buffer }), result });
    },
  },
  {
    method: 'POST',
    path: '/input/{id}',
    summary: 'queues input bytes',
    body: 'bytes',
    success: 'input sent',
    failures: {
      ...unknownId,
      413: 'message too large',
      500: 'error copying data to process',
      503: 'input buffer full',
    },
    handle: async (request, deps) => {
      const body = await readBody(request, deps);
      await findRun(request, deps).pushInput(body);
      return { text: 'input sent' };
    },
  },
  {
    method: 'POST',
    path: '/closeInput/{id}',
    summary: 'ends the input after all queued bytes; idempotent',
    success: 'input closed',
    failures: unknownId,
    handle: (request, deps) => {
      findRun(request, deps).endInput();
      return { text: 'input closed' };
    },
  },
  {
    method: 'POST',
    path: '/cancel/{id}',
    summary: 'asks the run to stop and does not wait for it; idempotent',
    success: 'process cancelled',
    failures: unknownId,
    handle: (request, deps) => {
      findRun(request, deps).cancel();
      return { text: 'process cancelled' };
    },
  },
];

const notWebsocket: Pick<PowRoute, 'path' | 'summary' | 'success' | 'failures' | 'handle'> = {
  path: '/',
  summary: 'the websocket',
  success: '',
  failures: {},
  handle: () => {
    throw new ApiError('upgrade_required', 'this address speaks websocket only, with the subprotocol pow-1', {
      Upgrade: 'websocket',
      Connection: 'Upgrade',
    });
  },
};

/** All routes: those of the API, their two descriptions, and the address of the websocket. */
export const routes: readonly Route<PowContext>[] = [
  ...powRoutes,
  { path: '/openapi.json', summary: 'these routes, for programs', handle: () => json(openapi(powRoutes)) },
  {
    path: '/docs',
    summary: 'these routes, for people',
    handle: () => ({ text: docsPage(powRoutes), type: 'text/html; charset=utf-8', headers: pageHeaders }),
  },
  { ...notWebsocket, method: 'GET' },
  { ...notWebsocket, method: 'POST' },
];

const pageHeaders = { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" };

/** pow-1 clients expect the content type without a charset. */
function json(value: unknown): RouteResponse {
  return { text: JSON.stringify(value), type: 'application/json' };
}

function readBody({ incoming }: RouteRequest, { config }: PowDeps): Promise<Buffer> {
  const { messageBytesMax: textBytesMax, requestMs: stallMs } = config().limits;
  return readText(incoming, { textBytesMax, stallMs });
}

function findRun({ segments, caller }: RouteRequest, { trackedRuns }: PowContext): TrackedRun {
  return trackedRuns.get(segments['id'] ?? '', caller);
}

/** Returns an empty text for a run that retention has removed. */
async function readLastLines(id: string, { runs, config }: PowDeps): Promise<string> {
  try {
    return await lastLines(runs.view(id).log, config().limits);
  } catch (error) {
    if (error instanceof RunRejected) return '';
    throw error;
  }
}
