// What the pin door needs from the rest of the gateway.

import type { Archive } from '../../../calls/contract/containers.ts';
import type { Caller } from '../../../calls/contract/context.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { RunRecord } from '../../../protocol/record.ts';
import type { PinDoor, SecretSource } from '../../config/config.ts';
import type { Attached, Started, StartRequest } from '../../runs/runs.ts';
import type { Watchable } from '../../runs/watchable.ts';
import type { Logger } from '../../support/logger.ts';

/** `doors.pin` of the configuration. */
export type PinOptions = PinDoor;

export interface PinParts {
  readonly options: PinOptions;
  /** The folder of this door alone; made when it is not there. */
  readonly folder: string;
  readonly version: string;
  /** Where the gateway's own server listens, for a door under a prefix. */
  readonly gatewayHost: string;
  /** In force now. */
  limits(): PinLimits;
  readonly runs: {
    /** Throws Refusal. */
    start(request: StartRequest): Started;
    /** Throws Refusal when there is no such run any more. */
    attach(id: string, caller: Caller): Attached;
    watch(id: string): Watchable;
    get(id: string): RunRecord | undefined;
  };
  /** What is wrong with the text of a pipeline, or worth a word, in the order of the file; empty when nothing is. Never throws. */
  check(text: string, file: string): readonly PinError[];
  /** What a run has kept, as a tar archive; undefined when it has kept nothing. */
  artifacts(run: string): Promise<Archive | undefined>;
  /** Throws when there is no such file or variable, or nothing in it. */
  secret(source: SecretSource): string;
  readonly log: Logger;
}

export type PinLimits = Pick<Limits,
  | 'messageBytesMax' | 'workspaceBytesMax' | 'inputBytesMax' | 'requestMs' | 'writeStallMs' | 'heartbeatMs' | 'streamsMax' | 'socketBytesMax' | 'pageRunsMax'
  | 'tailBytesMax' | 'owedBytesMax'>;

/** What is wrong with a pipeline, as clients read it. */
export interface PinError {
  readonly code: string;
  readonly message: string;
  readonly severity: 'error' | 'warning';
  /** As the author spelled them. */
  readonly job?: string;
  readonly field?: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly suggestions: readonly string[];
}
