// A run as those see it who watch: live, or long over and read from its files.

import type { Json, RunRecord } from '../../protocol/record.ts';
import type { WatchedLog } from './log/watched.ts';

export interface Watchable {
  readonly id: string;
  /** As it is now. */
  readonly record: RunRecord;
  readonly log: WatchedLog;
  /** Of a code call that returned one. Not kept in the record. */
  readonly value: Json | undefined;
  /** It failed by a mistake of ours. */
  readonly faulted: boolean;
  /** The record of the run when it is over; never rejects. */
  readonly ended: Promise<RunRecord>;
  /** `listener` hears of each change of state; the function given back ends that. */
  onState(listener: (record: RunRecord) => void): () => void;
}

/** A session that stays with a run. While a run has one, it is not lost. */
export interface Stay {
  /** The client is lost: when nobody else stays, the run's disconnect policy decides. Safe twice. */
  lose(): void;
  /** The client leaves of its own accord, and the run goes on. False when the call does not allow that; nothing has changed then. */
  detach(): boolean;
}
