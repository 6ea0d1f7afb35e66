// What the REST twin of pow-1 needs from the rest of the gateway.

import type { Caller } from '../../../calls/contract/context.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Config } from '../../config/config.ts';
import type { Started, StartRequest } from '../../runs/runs.ts';
import type { Watchable } from '../../runs/watchable.ts';
import type { Logger } from '../../support/logger.ts';

type Checked = { readonly accepted: true } | { readonly refused: string };

export interface PowParts {
  /** The configuration in force now; asked for at each request. */
  config(): Pick<Config, 'http' | 'limits'>;
  readonly runs: {
    /** Throws Refusal. */
    start(request: StartRequest): Started;
    /** Throws Refusal when there is no such run any more. */
    watch(id: string): Watchable;
  };
  readonly access: {
    identify(headers: { readonly authorization?: string | undefined }): { readonly caller: Caller } | { readonly refused: string };
    allows(caller: Caller, scope: string | undefined): boolean;
    /** What a caller without `scope` is told. */
    scopeText(scope: string): string;
    checkHost(header: string | undefined, rules: { readonly listenHost: string; readonly domains: readonly string[] }): Checked;
    checkOrigin(headers: { readonly origin?: string | undefined; readonly host?: string | undefined }, rules: { readonly origins: readonly string[] }): Checked;
  };
  readonly log: Logger;
}

/** The bounds of this door. */
export type PowLimits = Pick<Limits, 'powIdleMs' | 'powIdsMax' | 'powLinesMax' | 'powBufferBytesMax' | 'messageBytesMax'>;
