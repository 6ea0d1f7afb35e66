// Types of the dependencies that the JSON API receives from the gateway. The API only reads.

import type { CallKind, Concurrency, JsonSchema, Retention } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import type { Availability, EngineName, StopPolicy } from '../../calls/contract/engines.ts';
import type { RunRecord, RunState } from '../../protocol/run-record.ts';
import type { Config } from '../config/config.ts';
import type { StorageStatus } from '../runs/store/disk-space.ts';
import type { RunListQuery } from '../runs/store/list-runs.ts';
import type { ArtifactFile, ArtifactList } from '../runs/views/artifacts.ts';
import type { LineSource } from '../runs/views/line-page.ts';
import type { RunView } from '../runs/views/run-view.ts';
import type { Logger } from '../support/logger.ts';
import type { NewsItem } from './news/news-item.ts';
import type { RunStreams } from './sse/run-streams.ts';

export interface HttpDeps {
  /** Returns the configuration in force. Called for each request. */
  config(): Pick<Config, 'http' | 'home' | 'limits' | 'systems' | 'resolve'>;
  calls(): Promise<readonly CallListing[]>;
  readonly runs: RunReader;
  readonly streams: RunStreams;
  /** JSON Schemas for editors. */
  readonly schemas?: { readonly pipeline: unknown };
  /** Returns the news items, oldest first. */
  news(): Promise<readonly NewsItem[]>;
  status(): Status | Promise<Status>;
  ready(): Readiness;
  readonly access: Access;
  readonly log: Logger;
}

/** A call as clients see it. Fields are absent while unknown. */
export interface CallListing {
  readonly name: string;
  readonly summary?: string;
  readonly kind: CallKind;
  readonly params: readonly ParamListing[];
  readonly scope?: string;
  readonly timeoutMs?: number;
  readonly stop: StopPolicy;
  /** Disconnect policies, written `cancel`, `detach` or `grace:30s`: the default and those that callers may choose. */
  readonly onDisconnect: { readonly default: string; readonly allow: readonly string[] };
  readonly concurrency?: Concurrency;
  readonly retention?: Retention;
  readonly stallAfterMs?: number;
  readonly outputBytesMax?: number;
  /** The directions in which the call exchanges bytes, not lines. */
  readonly bytes?: readonly ('input' | 'output')[];
  readonly available: boolean;
  /** Why the call is not available. */
  readonly reason?: string;
}

export interface ParamListing {
  readonly name: string;
  readonly summary?: string;
  readonly schema?: JsonSchema;
  readonly default?: string;
  readonly required: boolean;
  /** Maximum size of a value. Absent: the param does not set one. */
  readonly bytesMax?: number;
}

/** Run records and their lines. */
export interface RunReader {
  /**
   * Returns at most `limit` records that satisfy the query, newest first. `before` is the `next` of the previous page;
   * `next` is absent on the last page.
   */
  list(query: RunListQuery): {
    readonly runs: readonly RunRecord[];
    readonly next?: string;
  };
  get(id: string): RunRecord | undefined;
  /**
   * Returns at most `limit` lines after the first `after` lines, as valid UTF-8. Stops before `bytesMax` is exceeded,
   * except by the first line. Lines that are left out count. Call it only for a run that `get` returned.
   */
  lines(id: string, page: LinesQuery): Promise<LinePage>;
  /** Call it only for a run that `get` returned. */
  view(id: string): RunView;
  /** Returns at most `max` artifacts. Call it only for a run that `get` returned. */
  artifacts(id: string, max: number): Promise<ArtifactList>;
  /**
   * Returns undefined when there is no such file. `path` may be any text. Call it only for a run that `get` returned.
   */
  artifact(id: string, path: string): Promise<ArtifactFile | undefined>;
}

export interface LinesQuery {
  readonly after: number;
  readonly limit: number;
  readonly bytesMax: number;
  /** True: also returns the lines of services. */
  readonly services: boolean;
}

export interface LinePage {
  readonly lines: readonly string[];
  /** Stream, job and service of the lines. Absent if all lines are stdout of the run itself. */
  readonly sources?: readonly LineSource[];
  /** Lines of services that were left out. Both ends are inclusive. */
  readonly omitted?: readonly { readonly from: number; readonly to: number }[];
  /** Cursor after these lines: `after` of the next page. */
  readonly next: number;
  /** True if the run has ended and no lines follow `next`. */
  readonly ended: boolean;
  /** Requested lines that are no longer stored. Both ends are inclusive. */
  readonly gap?: { readonly from: number; readonly to: number; readonly reason: string };
}

/** Status for operators and dashboards. Times are RFC 3339. Contains nothing internal, such as paths. */
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
  readonly processes: {
    /** How the gateway starts processes. `reason` says why it does not use posix_spawn. */
    readonly starter: 'posix_spawn' | 'child_process';
    readonly reason?: string;
    /** Whether process calls can have limits of memory, cpus and pids. */
    readonly limits: Availability;
  };
  readonly storage: StorageStatus;
  /** The last change of the configuration file: whether the gateway applied it, and otherwise the number of errors. */
  readonly lastReload?: { readonly at: string; readonly ok: boolean; readonly problems: number };
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Identifies and authorizes callers; see server/auth/. */
export interface Access {
  identify(headers: {
    readonly authorization?: string | undefined;
  }): { readonly caller: Caller } | { readonly rejected: string };
  allows(caller: Caller, scope: string | undefined): boolean;
  /** Returns the message for a caller that lacks `scope`. */
  missingScopeMessage(scope: string): string;
}
