// Types of what the pin API needs from the gateway.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { Caller } from '../../../calls/contract/context.ts';
import type { PlannedPipeline } from '../../../calls/contract/engines.ts';
import type { Diagnostic } from '../../../calls/text/diagnostic.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { PinConfig, SecretSource } from '../../config/config.ts';
import type { AttachedRun, StartRequest, StartResult } from '../../runs/runs.ts';
import type { RunView } from '../../runs/views/run-view.ts';
import type { Logger } from '../../support/logger.ts';

/** `compat.pin` of the configuration. */
export type PinOptions = PinConfig;

export interface PinDeps {
  readonly options: PinOptions;
  /** Folder of the pin API. Created if it does not exist. */
  readonly folder: string;
  readonly version: string;
  /** Host that the gateway listens on, for an API under a prefix. */
  readonly gatewayHost: string;
  /** Returns the limits in force. */
  limits(): PinLimits;
  /** True while the gateway is stopping: the API then accepts no new run or stream. */
  isStopping(): boolean;
  /** Returns the names of the secrets that pipelines of the pin API may use. */
  allowedSecrets(): readonly string[];
  readonly runs: {
    /** Throws RunRejected. */
    start(request: StartRequest): StartResult;
    /** Throws RunRejected if the run does not exist or no longer exists. */
    attach(id: string, caller: Caller): AttachedRun;
    view(id: string): RunView;
    get(id: string): RunRecord | undefined;
  };
  /** Parses, checks and plans a text, with the permissions of this API. Never throws. */
  plan(text: string): PlannedSubmission;
  /** Returns the artifacts of a run as a tar archive; undefined if there are none. */
  artifacts(run: string): Promise<Archive | undefined>;
  /** Returns the value of a secret. Throws if its file or variable does not exist or is empty. */
  secret(source: SecretSource): string;
  readonly log: Logger;
}

export type PinLimits = Pick<
  Limits,
  | 'messageBytesMax'
  | 'workspaceBytesMax'
  | 'inputBytesMax'
  | 'requestMs'
  | 'writeStallMs'
  | 'heartbeatMs'
  | 'streamsMax'
  | 'socketBytesMax'
  | 'pageRunsMax'
  | 'tailBytesMax'
  | 'pendingWriteBytesMax'
>;

/** A diagnostic of a pipeline as clients receive it. */
export interface PinError extends Diagnostic {
  readonly code: string;
}

export interface PlannedSubmission extends PlannedPipeline {
  readonly diagnostics: readonly PinError[];
}
