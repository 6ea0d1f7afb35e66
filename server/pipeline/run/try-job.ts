// One try of a job, whichever kind it is: its clock, and what its end is called.

import { WorkFailed } from '../../../calls/contract/engines.ts';
import type { Output } from '../../../calls/contract/ports.ts';
import type { PlannedJob } from '../plan/plan.ts';
import type { Attempt } from './attempt.ts';
import type { TryEnd } from './board.ts';
import type { Handing } from './handed.ts';
import { timedOutAfter } from './messages.ts';
import type { Teller } from './tell.ts';
import { createTryStop, type TryStop } from './try-stop.ts';

export interface TryParts {
  readonly teller: Teller;
  readonly handing: Handing;
  outputFor(job: string): Output;
  /** Does it, and resolves when nothing of it is there any more. */
  work(attempt: Attempt): Promise<TryEnd>;
}

export interface TryWish {
  readonly planned: PlannedJob;
  readonly number: number;
  /** Aborted when the run is to stop, or something else went wrong. */
  readonly signal: AbortSignal;
}

/** Rejects with WorkLost when the end was not seen, and for mistakes of ours. */
export async function tryJob({ planned, number, signal }: TryWish, parts: TryParts): Promise<TryEnd> {
  const { job: { timeoutMs }, id } = planned;
  const stop = createTryStop(signal, timeoutMs);
  const output = parts.outputFor(id);
  try {
    const end = await settled(parts.work({
      planned, number, stop, output, handed: parts.handing.before(planned),
      tell: (step) => parts.teller.step(id, step), warn: (message) => parts.teller.warn(message),
    }));
    return judge(end, { signal, stop, timeoutMs });
  } finally {
    stop.close();
    output.end('stdout');
    output.end('stderr');
  }
}

/** The work has failed; that is no failure of ours. */
async function settled(work: Promise<TryEnd>): Promise<TryEnd> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WorkFailed) return { type: 'failed', message: error.message };
    throw error;
  }
}

interface Circumstances {
  readonly signal: AbortSignal;
  readonly stop: TryStop;
  readonly timeoutMs: number | undefined;
}

function judge(end: TryEnd, { signal, stop, timeoutMs }: Circumstances): TryEnd {
  if (end.type !== 'failed') return end;
  if (signal.aborted) return { type: 'cancelled' };
  if (stop.timedOut && timeoutMs !== undefined) return { type: 'failed', message: timedOutAfter(timeoutMs) };
  return end;
}
