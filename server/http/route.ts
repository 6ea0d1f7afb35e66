// What a route is: a row of the table in routes/table.ts. Routes know nothing of the HTTP library; they turn a question into an answer.

import type { ServerResponse } from 'node:http';
import type { Caller } from '../../calls/contract/context.ts';
import type { Download } from './download.ts';
import type { HttpParts } from './parts.ts';

export interface Route {
  /** `{name}` stands for one segment, `{name…}` at the end for all that follow, one at least. A slash at the end is optional. */
  readonly path: string;
  readonly summary: string;
  /** Needed to ask; absent: nothing. */
  readonly scope?: string;
  /** The canonical path this is an older spelling of. */
  readonly aliasOf?: string;
  answer(question: Question, parts: HttpParts): Answer | Promise<Answer>;
}

export interface Question {
  /** The segments that stand for `{name}`, decoded. */
  readonly segments: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly caller: Caller;
  /** The header that a browser sends when it connects to an event stream again; `""` when it is not there. */
  readonly lastEventId: string;
  /** The media type that fits the Accept header best. */
  prefers(...types: readonly string[]): string;
}

/** Undefined: not given. A list: given more than once. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Success; everything else is thrown as a Refusal. */
export type Answer =
  | { readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  | { readonly text: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly download: Download }
  /** There is nothing to tell, and there will not be. */
  | { readonly nothing: true }
  /** `stream` writes the body of an answer whose head is ready, and ends it. Not called for HEAD. */
  | { readonly stream: (response: ServerResponse) => void; readonly type: string };
