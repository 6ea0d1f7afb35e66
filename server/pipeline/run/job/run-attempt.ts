// Runs one attempt of any job: sets its timeout, provides its output, and classifies its result.

import { WorkFailed } from '../../../../calls/contract/engines.ts';
import type { Output } from '../../../../calls/contract/ports.ts';
import type { PlannedJob } from '../../plan/plan.ts';
import type { PipelineEmitter } from '../events/emitter.ts';
import type { JobResults } from '../scheduler/job-results.ts';
import type { AttemptResult } from '../scheduler/scheduler.ts';
import type { Attempt } from './attempt.ts';
import { type AttemptDeadline, createAttemptDeadline } from './attempt-deadline.ts';
import { timeoutMessage } from './failure-messages.ts';

export interface AttemptDeps {
  readonly emitter: PipelineEmitter;
  readonly results: JobResults;
  outputFor(job: string): Output;
  /** Runs the job. Resolves when everything that the attempt opened is released. */
  runJob(attempt: Attempt): Promise<AttemptResult>;
}

export interface AttemptRequest {
  readonly planned: PlannedJob;
  readonly number: number;
  /** Aborted when the run is stopping, or the end of another job was not observed. */
  readonly signal: AbortSignal;
}

/** Rejects with WorkLost if the end of the job was not observed. Rejects with other errors only for internal errors. */
export async function runAttempt(
  { planned, number, signal }: AttemptRequest,
  deps: AttemptDeps,
): Promise<AttemptResult> {
  const {
    job: { timeoutMs },
    id,
  } = planned;
  const deadline = createAttemptDeadline(signal, timeoutMs);
  const output = deps.outputFor(id);
  deps.results.clear(id);
  try {
    const result = await toAttemptResult(
      deps.runJob({
        planned,
        number,
        deadline,
        output,
        upstream: deps.results.upstreamOf(planned),
        emitStep: (step) => deps.emitter.emitStep(id, step),
        warn: (message) => deps.emitter.warn(message),
      }),
    );
    const classified = classifyResult(result, { signal, deadline, timeoutMs });
    if (classified.type === 'failed' && !deps.results.has(id)) recordNoOutputs(planned, number, deps);
    return classified;
  } finally {
    deadline.close();
    output.end('stdout');
    output.end('stderr');
  }
}

/** Records empty outputs for a job whose script did not end, for instance because it timed out. */
function recordNoOutputs({ id, job }: PlannedJob, number: number, { results, emitter }: AttemptDeps): void {
  if (job.outputs.length === 0) return;
  results.record(id, { outputs: Object.fromEntries(job.outputs.map((name) => [name, ''])), artifacts: [] });
  if (number === job.retry.attempts && job.allowFailure)
    emitter.warn(`job '${id}' failed before its script ended; its outputs are empty: ${job.outputs.join(', ')}`);
}

/** Converts WorkFailed to a result, because the failure of a job is not an error of the gateway. */
async function toAttemptResult(running: Promise<AttemptResult>): Promise<AttemptResult> {
  try {
    return await running;
  } catch (error) {
    if (error instanceof WorkFailed) return { type: 'failed', message: error.message };
    throw error;
  }
}

interface AttemptContext {
  readonly signal: AbortSignal;
  readonly deadline: AttemptDeadline;
  readonly timeoutMs: number | undefined;
}

function classifyResult(result: AttemptResult, { signal, deadline, timeoutMs }: AttemptContext): AttemptResult {
  if (result.type !== 'failed') return result;
  if (signal.aborted) return { type: 'cancelled' };
  if (deadline.failure !== undefined) return { type: 'failed', message: deadline.failure.message };
  if (deadline.timedOut && timeoutMs !== undefined) return { type: 'failed', message: timeoutMessage(timeoutMs) };
  return result;
}
