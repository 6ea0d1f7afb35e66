// Types of a run as watchers see it, whether it is active or ended.

import type { ByteDirection } from '../../../calls/contract/call.ts';
import type { Json, RunRecord } from '../../../protocol/run-record.ts';
import type { WatchableLog } from '../log/watchable-log.ts';

export interface RunView {
  readonly id: string;
  /** The present record. */
  readonly record: RunRecord;
  readonly log: WatchableLog;
  /** The directions in which the run exchanges bytes, not lines. Absent: none. */
  readonly byteDirections?: readonly ByteDirection[];
  /** Result of a code call that returned one. It is not stored in the record. */
  readonly value: Json | undefined;
  /** True if the run failed because of an error in the gateway. */
  readonly faulted: boolean;
  /** Resolves with the final record when the run has ended. Never rejects. */
  readonly ended: Promise<RunRecord>;
  /** Calls `listener` at each change of state. Returns a function that removes the listener. */
  onState(listener: (record: RunRecord) => void): () => void;
}

/** A connected client that may control the run. When it disconnects, the disconnect policy of the run may apply. */
export interface ClientPresence {
  /**
   * Call this when the client is disconnected. Applies the disconnect policy if it was the last client or, with the
   * policy `cancel`, the last one that started the run. Idempotent.
   */
  disconnected(): void;
  /**
   * The client leaves on purpose and the run continues. Returns false, and changes nothing, if the call does not allow
   * that.
   */
  detach(): boolean;
}
