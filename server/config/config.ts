// The one configuration everybody reads: validated as a whole, complete with defaults, frozen.

import type { Call, Retention } from '../../calls/contract/call.ts';
import type { Limits } from '../../protocol/limits.ts';

export interface System {
  readonly slug: string;
  readonly url: string;
  readonly tagline: string;
  readonly entityCount: number;
  readonly bundleCount: number;
  /** RFC 3339; null when unknown. */
  readonly lastEdit: string | null;
  readonly running: boolean;
  /** False when the system opted out of being listed. */
  readonly listed: boolean;
}

/** Where a value is that does not stand in the file: in a file of its own (absolute), or in a variable of the gateway's environment. */
export type SecretSource = { readonly file: string } | { readonly variable: string };

/** The pin daemon's API. It listens on an address of its own, or answers under a path of the gateway's: it has one of the two. */
export interface PinDoor {
  readonly listen?: { readonly host: string; readonly port: number };
  /** Such as `/pin`. */
  readonly prefix?: string;
  readonly token?: SecretSource;
  /** It may be reached from everywhere without a token. */
  readonly withoutToken: boolean;
  /** Absolute; what `copyFiles` copies when a trigger brings no files. */
  readonly workspace?: string;
  /** `scheme://host[:port]` */
  readonly allowOrigins: readonly string[];
  readonly allowHostJobs: boolean;
  readonly maxConcurrent: number;
  readonly github?: { readonly secret?: SecretSource; readonly branch: string; /** Absolute. */ readonly pipeline?: string };
  /** Absolute; a pipeline that is run at the start. */
  readonly initial?: string;
  /** Of events kept for those who come back. */
  readonly eventsBytes: number;
}

export interface Config {
  readonly http: {
    /** The whole of /api: off unless switched on. */
    readonly api: boolean;
    readonly host: string;
    /** 0 picks a free port. */
    readonly port: number;
    /** Host names the API answers on, beside loopback names and the listen address. */
    readonly domains: readonly string[];
    /** Origins allowed beside the same origin, as `scheme://host[:port]`. */
    readonly origins: readonly string[];
  };
  readonly home: { readonly list: { readonly public: boolean; readonly private: boolean } };
  /** Absolute. */
  readonly data: string;
  readonly docker: { /** `auto`, or an address such as `unix:///run/docker.sock`. */ readonly host: string };
  /** Names of the gateway's environment variables that processes get. */
  readonly environment: readonly string[];
  /** Over the runs of all calls. */
  readonly retention: Required<Retention>;
  /** How long runs may go on when the gateway is to stop. */
  readonly shutdown: { readonly graceMs: number };
  readonly limits: Limits;
  readonly systems: readonly System[];
  /** Absolute folder of news items; absent: none. */
  readonly news?: string;
  /** Name of this gateway in run records. */
  readonly node: string;
  readonly calls: readonly Call[];
  /** What pipelines may do beyond containers of their own. Folders are absolute. */
  readonly pipelines: {
    /** Whether there is the call `pipeline.run`. */
    readonly run: boolean;
    readonly hostJobs: boolean;
    readonly mounts: readonly string[];
    readonly hostNetwork: boolean;
    readonly engines: readonly string[];
    /** Folders that callers of `pipeline.run` may name, with all that is in them. */
    readonly workspaces: readonly string[];
  };
  /** By name. `calls`: those whose pipelines may use it; absent: those that are declared. */
  readonly secrets: Readonly<Record<string, SecretSource & { readonly calls?: readonly string[] }>>;
  readonly doors: { readonly pin?: PinDoor };
}
