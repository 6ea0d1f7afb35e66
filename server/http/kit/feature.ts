// Type of a feature: a part of the gateway that gateway.ts opens, drains and closes together with all others.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Call } from '../../../calls/contract/call.ts';
import type { RouteTable } from './route-table.ts';

export interface Feature {
  readonly name: string;
  readonly routes?: RouteTable;
  /** Calls that only this feature may make, under the configuration in force. */
  calls?(): readonly Call[];
  /** Takes over a request for an upgrade. Returns false if the request is not for this feature. */
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Fields of `/status`. */
  status?(): object | Promise<object>;
  /** Whether this feature is ready for new runs. */
  ready?(): Readiness;
  /** Numbers for monitoring, by name. */
  metrics?(): Readonly<Record<string, number>>;
  /** Rejects if the feature cannot work; the gateway then closes all features. */
  open?(): Promise<void> | void;
  /** Rejects new work from now on. Resolves when the gateway may call `close`. */
  drain?(): Promise<void> | void;
  /** Ends all work that is left. Idempotent. Can be called even if `open` was not called. */
  close?(): Promise<void> | void;
  /** Ends every grace period at once. Idempotent. */
  forceStop?(): void;
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };
