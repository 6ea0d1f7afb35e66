// What the HTTP room needs from the rest of the gateway. It only reads: nothing here changes anything.

import type { StopPolicy, Availability, EngineName } from '../../calls/contract/engines.ts';
import type { CallKind, Concurrency, JsonSchema, Retention } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import type { RunRecord, RunState } from '../../protocol/record.ts';
import type { Config } from '../config/config.ts';
import type { ArtifactFile, ArtifactList } from '../runs/artifacts.ts';
import type { LineSource } from '../runs/reading.ts';
import type { Watchable } from '../runs/watchable.ts';
import type { Logger } from '../support/logger.ts';
import type { EventStreams } from './events/streams.ts';
import type { NewsItem } from './news/item.ts';

export interface HttpParts {
  /** The configuration in force now; asked for at each request. */
  config(): Pick<Config, 'http' | 'home' | 'limits' | 'systems'>;
  calls(): Promise<readonly CallListing[]>;
  readonly runs: RunShelf;
  readonly streams: EventStreams;
  /** JSON Schemas for editors. */
  readonly schemas?: { readonly pipeline: unknown };
  /** Oldest first; news/shelf.ts reads them from a folder. */
  news(): Promise<readonly NewsItem[]>;
  status(): Status | Promise<Status>;
  ready(): Readiness;
  readonly access: Access;
  readonly log: Logger;
}

/** A call as it is told to those who may ask for it. Fields are absent while unknown. */
export interface CallListing {
  readonly name: string;
  readonly summary?: string;
  readonly kind: CallKind;
  readonly params: readonly ParamListing[];
  readonly scope?: string;
  readonly timeoutMs?: number;
  readonly stop: StopPolicy;
  /** `cancel`, `detach` or `grace:30s`: what becomes of a run whose client is lost, and what callers may choose. */
  readonly onDisconnect: { readonly default: string; readonly allow: readonly string[] };
  readonly concurrency?: Concurrency;
  readonly retention?: Retention;
  readonly stallAfterMs?: number;
  readonly outputBytesMax?: number;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
}

export interface ParamListing {
  readonly name: string;
  readonly summary?: string;
  readonly schema?: JsonSchema;
  readonly default?: string;
  readonly required: boolean;
}

/** Run records and their lines. */
export interface RunShelf {
  /** At most `limit` records in this state, newest first; `before` is the `next` of the page before. `next` is absent on the last page. */
  list(page: { readonly before?: string; readonly state?: RunState; readonly limit: number }): { readonly runs: readonly RunRecord[]; readonly next?: string };
  get(id: string): RunRecord | undefined;
  /**
   * Up to `limit` lines after the first `after`, as valid UTF-8. Gives fewer when they exceed `bytesMax`, but one at least
   * when there is one. Only called for a run that `get` gave.
   */
  lines(id: string, page: LinesWanted): Promise<LinePage>;
  /** Only called for a run that `get` gave. */
  watch(id: string): Watchable;
  /** At most `max` of what its jobs made. Only called for a run that `get` gave. */
  artifacts(id: string, max: number): Promise<ArtifactList>;
  /** Undefined when there is no such file. `path` may be anything. Only called for a run that `get` gave. */
  artifact(id: string, path: string): Promise<ArtifactFile | undefined>;
}

export interface LinesWanted {
  readonly after: number;
  readonly limit: number;
  readonly bytesMax: number;
}

export interface LinePage {
  readonly lines: readonly string[];
  /** Which stream and which job these lines are of, where they are not all plain stdout. */
  readonly sources?: readonly LineSource[];
  /** The cursor after these lines: what `after` is for the next page. */
  readonly next: number;
  /** No more lines will come after `next`: the run has ended and this is its last page. */
  readonly ended: boolean;
  /** Lines that were asked for and are gone, `from` and `to` included. */
  readonly gap?: { readonly from: number; readonly to: number; readonly reason: string };
}

/** What operators and dashboards read. Times are RFC 3339; nothing internal, such as a path, belongs in here. */
export interface Status {
  readonly version: string;
  readonly node: string;
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly state: 'running' | 'stopping';
  readonly api: boolean;
  readonly runs: { readonly [state in RunState]: number };
  /** Open websocket sessions. */
  readonly sessions: number;
  readonly engines: { readonly [engine in EngineName]: Availability };
  /** The last change of the configuration file: `ok` when it was taken, with the number of problems when not. */
  readonly lastReload?: { readonly at: string; readonly ok: boolean; readonly problems: number };
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export type Checked = { readonly accepted: true } | { readonly refused: string };

/** Who is calling and what they may do; server/auth/ has it. */
export interface Access {
  identify(headers: { readonly authorization?: string | undefined }): { readonly caller: Caller } | { readonly refused: string };
  allows(caller: Caller, scope: string | undefined): boolean;
  /** What a caller without `scope` is told. */
  scopeText(scope: string): string;
  checkHost(header: string | undefined, rules: { readonly listenHost: string; readonly domains: readonly string[] }): Checked;
}
