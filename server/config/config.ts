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
}
