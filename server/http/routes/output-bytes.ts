// The output of a call with `output: bytes` in response to `/runs/{id}/lines`: one stream, byte for byte.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OutputStream } from '../../../calls/contract/ports.ts';
import { OutputRemoved, readOutputBytes } from '../../runs/views/output-bytes.ts';
import type { HttpDeps } from '../deps.ts';
import { ApiError, quoted } from '../kit/http-error.ts';
import { queryInteger, queryText } from '../kit/query.ts';
import type { Query, RouteRequest, RouteResponse } from '../kit/route-table.ts';

export async function outputBytes(id: string, request: RouteRequest, deps: HttpDeps): Promise<RouteResponse> {
  const { log } = deps.runs.view(id);
  if (!log.exact)
    throw new ApiError('bad_request', 'the output of this run is lines; accept application/json or text/plain');
  const after = queryInteger(request.query, 'after', { min: 0, fallback: 0 });
  const bytes = readOutputBytes(log, { stream: queryStream(request.query), after });
  // Read the first bytes before the head is sent, because no error can be reported after the head.
  const first = await bytes.next().catch((error: unknown) => {
    throw error instanceof OutputRemoved
      ? new ApiError('not_found', `${error.message}; ?after=${error.to} skips them`)
      : error;
  });
  if (request.method === 'HEAD') await bytes.return();
  return {
    type: 'application/octet-stream',
    headers: { Vary: 'Accept' },
    stream: async (response) => {
      try {
        await pipeline(Readable.from(prepend(first, bytes)), response);
      } finally {
        await bytes.return();
      }
    },
  };
}

async function* prepend(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function queryStream(query: Query): OutputStream {
  const stream = queryText(query, 'stream') ?? 'stdout';
  if (stream === 'stdout' || stream === 'stderr') return stream;
  throw new ApiError('bad_request', `stream must be stdout or stderr, not ${quoted(stream)}`);
}
