// Every route of this door, in one list: the listener, the description and the page of it all read it.

import type { Caller } from '../../../calls/contract/context.ts';
import { decodeJson } from '../../../protocol/codec.ts';
import { readPow1 } from '../../../protocol/dialects/pow-1.ts';
import { Refusal } from '../../runs/refusal.ts';
import { lastLines } from './buffer.ts';
import type { PowParts } from './parts.ts';
import { Problem } from './problem.ts';
import type { Processes } from './processes.ts';

export interface PowRoute {
  /** `GET` includes HEAD. */
  readonly method: 'GET' | 'POST';
  /** Behind `/api/v1/pow`; `{id}` stands for one segment. A slash at the end is optional. */
  readonly path: string;
  readonly summary: string;
  /** What the body of the request is; absent: it is not read. */
  readonly body?: string;
  /** What success says. */
  readonly success: string;
  /** What else is said, by status. */
  readonly failures: Readonly<Record<number, string>>;
  answer(asked: Asked, parts: PowParts): Promise<Answer> | Answer;
}

export interface Asked {
  readonly id: string;
  readonly body: Buffer;
  readonly caller: Caller;
  readonly processes: Processes;
}

export type Answer = { readonly text: string } | { readonly json: unknown } | { readonly html: string };

const unknownId = { 404: 'process not found' };

export const powRoutes: readonly PowRoute[] = [
  {
    method: 'POST', path: '/new', summary: 'starts a call', body: 'a call message: {"call":"name","params":["a","b"]}',
    success: 'the id, as a JSON string; for a call that is refused too, whose status says why',
    failures: { 400: 'failed to decode call message', 413: 'message too large', 500: 'failed to create new process' },
    answer: async ({ body, caller, processes }) => {
      const message = readPow1(decodeJson(body));
      if (message.type !== 'call') throw new Problem(400, 'failed to decode call message');
      return { json: await processes.start(message, caller) };
    },
  },
  {
    method: 'GET', path: '/status/{id}', summary: 'the last lines of its output, and its result',
    success: '{"buffer"?:"…","result":{"status":"pending"}}, or the result: {"status":"fulfilled","value":…} or {"status":"rejected","reason":"…"}',
    failures: unknownId,
    answer: async ({ id, caller, processes }, parts) => {
      const process = processes.get(id, caller);
      // Asked for first: what ended while the lines were read would be told with lines from before its end.
      const result = process.settled ?? { status: 'pending' };
      const buffer = process.started ? await printed(id, parts) : '';
      return { json: { ...(buffer !== '' && { buffer }), result } };
    },
  },
  {
    method: 'POST', path: '/input/{id}', summary: 'queues input, verbatim', body: 'bytes',
    success: 'input sent', failures: { ...unknownId, 413: 'message too large', 500: 'error copying data to process', 503: 'input buffer full' },
    answer: ({ id, body, caller, processes }) => {
      processes.get(id, caller).feed(body);
      return { text: 'input sent' };
    },
  },
  {
    method: 'POST', path: '/closeInput/{id}', summary: 'ends the input, behind all that was queued; safe twice',
    success: 'input closed', failures: unknownId,
    answer: ({ id, caller, processes }) => {
      processes.get(id, caller).endInput();
      return { text: 'input closed' };
    },
  },
  {
    method: 'POST', path: '/cancel/{id}', summary: 'asks it to stop, and does not wait for that; safe twice',
    success: 'process cancelled', failures: unknownId,
    answer: ({ id, caller, processes }) => {
      processes.get(id, caller).cancel();
      return { text: 'process cancelled' };
    },
  },
];

/** Retention may have removed it. */
async function printed(id: string, { runs, config }: PowParts): Promise<string> {
  try {
    return await lastLines(runs.watch(id).log, config().limits);
  } catch (error) {
    if (error instanceof Refusal) return '';
    throw error;
  }
}
