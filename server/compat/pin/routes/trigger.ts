// Route that starts a pipeline: its text is the body of the request, or a part of a form that also holds files.

import { HttpError } from '../../../http/kit/http-error.ts';
import { queryFlag } from '../../../http/kit/query.ts';
import { type Form, isForm, readForm, readText } from '../../../http/kit/read-body.ts';
import type { RouteRequest, RouteResponse } from '../../../http/kit/route-table.ts';
import { PinHttpError } from '../errors.ts';
import type { RunOrigin } from '../runs/lifecycle-events.ts';
import type { PinRecord } from '../runs/record.ts';
import { type PinRoute, type RouteDeps, timestamp } from './route.ts';

export const triggerRoute: PinRoute = {
  method: 'POST',
  path: '/trigger',
  summary: 'starts the pipeline in the body; with ?wait=true responds when it has ended',
  handle: async (request, deps) => {
    const { wait, text, file } = await readRequest(request, deps).catch((error: unknown) => {
      if (error instanceof HttpError) deps.runs.reportRejected(origin, error);
      throw error;
    });
    const submitted = await deps.runs.submit({ text, origin, ...(file !== undefined && { upload: file }) });
    if (wait) return endedResponse(await submitted.ended);
    const { id, isWaiting, warnings } = submitted;
    const message = isWaiting ? 'Pipeline execution queued' : 'Pipeline execution started';
    const ids = { run_id: id, pipeline_id: id };
    const optional = warnings.length > 0 ? { warnings } : {};
    // The documentation of pin says `triggered`, but the program answers `accepted`, which `/named` imitates.
    const status = deps.base === 'named' ? 'accepted' : 'triggered';
    return { json: { status, message, ...ids, ...optional, timestamp: timestamp() } };
  },
};

const origin: RunOrigin = { source: 'http_endpoint' };

interface TriggerRequest extends Form {
  readonly wait: boolean;
}

async function readRequest(request: RouteRequest, deps: RouteDeps): Promise<TriggerRequest> {
  const wait = queryFlag(request.query, 'wait');
  return { wait, ...(await readBody(request, deps)) };
}

async function readBody({ incoming }: RouteRequest, { limits, uploads, isStopping }: RouteDeps): Promise<Form> {
  // Check this first, so that a client does not send a large upload in vain.
  if (isStopping()) throw new PinHttpError('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });
  const { messageBytesMax: textBytesMax, workspaceBytesMax: fileBytesMax, requestMs: stallMs } = limits();
  if (!isForm(incoming)) return { text: await readText(incoming, { textBytesMax, stallMs }) };
  const parts = { textPart: 'pipeline', filePart: 'files' };
  return readForm(incoming, { ...parts, folder: uploads, textBytesMax, fileBytesMax, stallMs });
}

function endedResponse(record: PinRecord): RouteResponse {
  if (record.status === 'success') return { json: record };
  const message = record.status === 'cancelled' ? 'Pipeline execution cancelled' : 'Pipeline execution failed';
  throw new PinHttpError('pipeline_failed', message, { details: record });
}
