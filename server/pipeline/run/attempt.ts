// One try of one job: what everybody who works on it needs.

import type { Output } from '../../../calls/contract/ports.ts';
import type { PlannedJob } from '../plan/plan.ts';
import type { JobStep } from './events.ts';
import type { Handed } from './handed.ts';
import type { TryStop } from './try-stop.ts';

export interface Attempt {
  readonly planned: PlannedJob;
  /** From 1. */
  readonly number: number;
  readonly stop: TryStop;
  /** The job's own, masked. */
  readonly output: Output;
  /** What came to it from jobs before. */
  readonly handed: Handed;
  tell(step: JobStep): void;
  warn(message: string): void;
}
