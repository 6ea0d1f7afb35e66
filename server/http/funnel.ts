// The one place that decides what a client sees of an error.

import { randomUUID } from 'node:crypto';
import { errorBody } from '../../protocol/errors.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { Logger } from '../support/logger.ts';
import { Refusal } from './refusal.ts';

export interface Told {
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;
}

/** A Refusal is told as it is. Anything else is our mistake: logged with its cause under an id, and the client reads the id only. */
export function funnel(error: unknown, request: { readonly method: string; readonly path: string }, log: Logger): Told {
  if (error instanceof Refusal) return { body: errorBody(error.code, error.message), headers: error.headers };
  const id = randomUUID();
  log.error({ err: error, request: id, ...request }, 'a request failed');
  return { body: errorBody('internal'), headers: { 'X-Request-Id': id } };
}
