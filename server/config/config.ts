// Types of the configuration that all modules read: validated as a whole, complete with defaults, frozen.

import type { Call, Retention } from '../../calls/contract/call.ts';
import type { Limits } from '../../protocol/limits.ts';

export interface System {
  readonly slug: string;
  readonly url: string;
  readonly tagline: string;
  readonly entityCount: number;
  readonly bundleCount: number;
  /** Time of the last edit (RFC 3339). Null if unknown. */
  readonly lastEdit: string | null;
  readonly running: boolean;
  /** False if the system opted out of being listed. */
  readonly listed: boolean;
}

/**
 * Source of a value that the configuration itself does not contain: a file (absolute path), or a variable in the
 * gateway's environment.
 */
export type SecretSource = { readonly file: string } | { readonly variable: string };

/** The API of the pin daemon. Has exactly one of `listen` (its own address) and `prefix` (a path of the gateway). */
export interface PinConfig {
  readonly listen?: { readonly host: string; readonly port: number };
  /** Path under which the gateway serves the API, such as `/pin`. */
  readonly prefix?: string;
  readonly token?: SecretSource;
  /** True if any address may reach the API without a token. */
  readonly allowUnauthenticated: boolean;
  /** Folder (absolute) from which `copyFiles` copies when a trigger sends no files. */
  readonly workspace?: string;
  /** Allowed origins, as `scheme://host[:port]`. */
  readonly allowOrigins: readonly string[];
  readonly allowHostJobs: boolean;
  readonly maxConcurrent: number;
  readonly github?: {
    readonly secret?: SecretSource;
    readonly branch: string;
    /** Path (absolute) of the pipeline that a push to the branch runs. */
    readonly pipeline?: string;
  };
  /** Path (absolute) of a pipeline that runs when the gateway starts. */
  readonly initial?: string;
  /** Whether events have names. Applies if neither the request nor its base path decides. */
  readonly events: 'named' | 'unnamed';
  /** Number of bytes of events to retain for clients that reconnect. */
  readonly eventsBytes: number;
}

export interface Config {
  readonly http: {
    /** True if the gateway serves /api. Default: false. */
    readonly api: boolean;
    readonly host: string;
    /** Port; 0 selects a free one. */
    readonly port: number;
    /** Host names that the API accepts, in addition to loopback names and the listen address. */
    readonly domains: readonly string[];
    /** Allowed origins in addition to the gateway's own, as `scheme://host[:port]`. */
    readonly origins: readonly string[];
    /** Time that an idle connection stays open, in milliseconds. */
    readonly keepAliveMs: number;
  };
  readonly home: { readonly list: { readonly public: boolean; readonly private: boolean } };
  /** Folder of the gateway's data (absolute). */
  readonly data: string;
  /** `host` is `auto` or an address, such as `unix:///run/docker.sock`. */
  readonly docker: { readonly host: string };
  /** Names of the gateway's environment variables that processes inherit. */
  readonly environment: readonly string[];
  /** Retention for the runs of all calls together. */
  readonly retention: Required<Retention>;
  /** What happens to active runs when the gateway stops. They may continue for `graceMs`. */
  readonly shutdown: {
    readonly graceMs: number;
    /** What happens to container runs that the next gateway can continue. */
    readonly containers: 'stop' | 'leave';
  };
  readonly limits: Limits;
  readonly systems: readonly System[];
  /**
   * Rules that map a URI that begins with `prefix` to the page about the URI. `target` is the address of the page, with
   * the placeholder `${uri}` or `${rest}`.
   */
  readonly resolve: readonly { readonly prefix: string; readonly target: string }[];
  /** Folder of news items (absolute). Absent: no news. */
  readonly news?: string;
  /** Name of this gateway in run records. */
  readonly node: string;
  readonly calls: readonly Call[];
  /** What pipelines may use beyond their own containers. Paths of folders are absolute. */
  readonly pipelines: {
    /** True if the call `pipeline.run` exists. */
    readonly run: boolean;
    readonly hostJobs: boolean;
    readonly mounts: readonly string[];
    readonly hostNetwork: boolean;
    readonly engines: readonly string[];
    /** Folders that callers of `pipeline.run` may name, subfolders included. */
    readonly workspaces: readonly string[];
  };
  /**
   * Secrets by name. `calls` lists the calls whose pipelines may use the secret. Absent: all calls that the file
   * declares.
   */
  readonly secrets: Readonly<Record<string, SecretSource & { readonly calls?: readonly string[] }>>;
  readonly compat: { readonly pin?: PinConfig };
}
