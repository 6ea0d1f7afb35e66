// Type of one attempt of a job: the values that all parts of its execution share.

import type { Output } from '../../../../calls/contract/ports.ts';
import type { PlannedJob } from '../../plan/plan.ts';
import type { JobStep } from '../events/events.ts';
import type { UpstreamResults } from '../scheduler/job-results.ts';
import type { AttemptDeadline } from './attempt-deadline.ts';

export interface Attempt {
  readonly planned: PlannedJob;
  /** Counted from 1. */
  readonly number: number;
  readonly deadline: AttemptDeadline;
  /** Output of this job, with secrets masked. */
  readonly output: Output;
  /** Results of the jobs that this job depends on. */
  readonly upstream: UpstreamResults;
  emitStep(step: JobStep): void;
  warn(message: string): void;
}
