// What a route of the pin API is: a row of the table in table.ts.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Journal } from '../events/journal.ts';
import type { PinStreams } from '../events/streams.ts';
import type { PinParts } from '../parts.ts';
import type { Pipelines } from '../pipelines.ts';
import type { PinRuns } from '../runs/runs.ts';

export interface Route {
  /** `GET` includes HEAD. */
  readonly method: 'GET' | 'POST';
  /** `{id}` stands for one segment. A slash at the end is optional. */
  readonly path: string;
  readonly summary: string;
  /** Anybody may ask, without the token. */
  readonly open?: true;
  /** Also behind `/unnamed`, where events have no names. */
  readonly unnamed?: true;
  answer(asked: Asked, door: DoorParts): Answer | Promise<Answer>;
}

export interface Asked {
  readonly request: IncomingMessage;
  /** The segment that stands for `{id}`. */
  readonly id: string;
  readonly query: URLSearchParams;
  /** It came by `/unnamed`. */
  readonly unnamed: boolean;
}

/** What routes answer with. */
export interface DoorParts extends Pick<PinParts, 'options' | 'limits' | 'version' | 'artifacts' | 'log'> {
  readonly journal: Journal;
  readonly streams: PinStreams;
  readonly runs: PinRuns;
  readonly pipelines: Pipelines;
  /** Holds what is being uploaded. */
  readonly uploads: string;
  readonly secrets: { readonly token?: string; readonly github?: string };
  readonly startedMs: number;
  isStopping(): boolean;
}

/** Success; everything else is thrown as a PinRefusal. */
export type Answer =
  | { readonly json: object; /** 200 when absent. */ readonly status?: number }
  | { readonly nothing: true }
  /** `write` writes the body of an answer whose head has been sent, and ends it. Not called for HEAD. */
  | { readonly type: string; readonly headers?: Readonly<Record<string, string>>; readonly write: (response: ServerResponse) => void | Promise<void> };

export function timestamp(): string {
  return new Date().toISOString();
}
