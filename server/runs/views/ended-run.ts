// A read-only view of an ended run: its record, and its log as read from the files.

import type { ByteDirection } from '../../../calls/contract/call.ts';
import type { Json, RunRecord } from '../../../protocol/run-record.ts';
import type { StoredLog } from '../log/stored-log.ts';
import type { RunView } from './run-view.ts';

export class EndedRun implements RunView {
  readonly id: string;
  readonly record: RunRecord;
  readonly log: StoredLog;
  readonly ended: Promise<RunRecord>;
  /** Always undefined: the result of a code call is not stored. */
  readonly value: Json | undefined = undefined;
  readonly faulted = false;

  readonly byteDirections: readonly ByteDirection[];

  constructor(record: RunRecord, log: StoredLog, byteDirections: readonly ByteDirection[] = []) {
    this.byteDirections = byteDirections;
    this.id = record.id;
    this.record = record;
    this.log = log;
    this.ended = Promise.resolve(record);
  }

  /** Calls no listener, because the state no longer changes. */
  onState(): () => void {
    return () => {};
  }
}
