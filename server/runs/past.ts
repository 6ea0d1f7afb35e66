// A run that is over, for those who watch: its record, and its log read from the files.

import type { Json, RunRecord } from '../../protocol/record.ts';
import type { PastLog } from './log/past-log.ts';
import type { Watchable } from './watchable.ts';

export class PastRun implements Watchable {
  readonly id: string;
  readonly record: RunRecord;
  readonly log: PastLog;
  readonly ended: Promise<RunRecord>;
  /** What a code call returned is told to those who were there. */
  readonly value: Json | undefined = undefined;
  readonly faulted = false;

  constructor(record: RunRecord, log: PastLog) {
    this.id = record.id;
    this.record = record;
    this.log = log;
    this.ended = Promise.resolve(record);
  }

  /** Nothing changes any more. */
  onState(): () => void {
    return () => {};
  }
}
