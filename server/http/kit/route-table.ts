// Types of a route table: the routes of one API and the rules that all of them share. Routes do not use Koa.

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../../calls/contract/context.ts';
import type { Logger } from '../../support/logger.ts';
import type { Download } from './download.ts';
import type { ErrorFormat } from './error-response.ts';
import type { CorsPolicy, RequestGuard } from './request-guard.ts';

/** `D` is the type of the dependencies that the routes receive. */
export interface RouteTable<D = unknown> {
  /** Path in front of all routes, such as `/pin`; empty for the table that takes all other paths. */
  readonly base: string;
  readonly routes: readonly Route<D>[];
  readonly deps: D;
  readonly guard: RequestGuard;
  readonly cors: CorsPolicy;
  readonly errorFormat: ErrorFormat;
  /** Headers of every response. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether JSON and text have an entity tag, so that clients can request changes only. */
  readonly etag: boolean;
  /** Returns the caller. Throws an HttpError if the caller may not use the route. */
  authorize(request: AccessRequest, route: Route<D>): Caller;
  /** Milliseconds without progress after which a download is cut off. */
  writeStallMs(): number;
  /** Set if the table has a listener of its own instead of that of the gateway. */
  readonly listen?: ListenOptions;
  /** Milliseconds within which a request must arrive; 0 for no limit. Default: the limit of the listener. */
  readonly requestTimeoutMs?: number;
  readonly log: Logger;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Called with `http://host:port` when the listener is open. */
  onListening(url: string): void;
}

export interface AccessRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Route<D> {
  /** Default `GET`, which includes HEAD. */
  readonly method?: 'GET' | 'POST';
  /**
   * Path after the `base` of the table. `{name}` is one segment, `{name…}` one or more at the end. A trailing slash is
   * optional.
   */
  readonly path: string;
  readonly summary: string;
  /** Names of the query parameters; others are rejected with 400. Absent: the route ignores unknown parameters. */
  readonly query?: readonly string[];
  handle(request: RouteRequest, deps: D): RouteResponse | Promise<RouteResponse>;
}

export interface RouteRequest {
  /** The decoded path segments by the name in braces. */
  readonly segments: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly caller: Caller;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** The request itself, for the body readers. */
  readonly incoming: IncomingMessage;
  /** Returns the type that fits the Accept header best. */
  prefers(...types: readonly string[]): string;
}

/** Undefined: absent. A list: given more than once. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

type Headers = Readonly<Record<string, string>>;

/** A success. A route throws an HttpError for anything else. */
export type RouteResponse =
  | { readonly json: unknown; readonly status?: number; readonly headers?: Headers }
  | { readonly text: string /** Default: plain text. */; readonly type?: string; readonly headers?: Headers }
  | { readonly download: Download }
  /** 204: the client already has everything. */
  | { readonly nothing: true }
  | {
      /** Writes the body and ends the response. Called after the head was sent, and not for HEAD. */
      readonly stream: (response: ServerResponse) => void | Promise<void>;
      readonly type: string;
      readonly headers?: Headers;
    };
