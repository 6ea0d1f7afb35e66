// Types of the dependencies that the pow-1 REST API receives from the gateway.

import type { Caller } from '../../../calls/contract/context.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Config } from '../../config/config.ts';
import type { RequestGuard } from '../../http/kit/request-guard.ts';
import type { StartRequest, StartResult } from '../../runs/runs.ts';
import type { RunView } from '../../runs/views/run-view.ts';
import type { Logger } from '../../support/logger.ts';

export interface PowDeps {
  /** Returns the configuration in force. Called for each request. */
  config(): Pick<Config, 'http' | 'limits'>;
  readonly runs: {
    /** Throws RunRejected. */
    start(request: StartRequest): StartResult;
    /** Throws RunRejected if the run does not exist or no longer exists. */
    view(id: string): RunView;
  };
  readonly access: {
    identify(headers: {
      readonly authorization?: string | undefined;
    }): { readonly caller: Caller } | { readonly rejected: string };
    allows(caller: Caller, scope: string | undefined): boolean;
    /** Returns the message for a caller that lacks `scope`. */
    missingScopeMessage(scope: string): string;
  };
  readonly guard: RequestGuard;
  readonly log: Logger;
}

/** The limits of this API. */
export type PowLimits = Pick<
  Limits,
  | 'powIdleMs'
  | 'powRunsMax'
  | 'powLinesMax'
  | 'powBufferBytesMax'
  | 'powSearchLinesMax'
  | 'messageBytesMax'
  | 'requestMs'
>;
