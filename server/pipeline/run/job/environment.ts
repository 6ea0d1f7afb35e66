// Variables of a job: its environment, and the values that its condition can use.

import type { PlannedJob } from '../../plan/plan.ts';
import type { UpstreamResults } from '../scheduler/job-results.ts';

type Values = Readonly<Record<string, string>>;

export interface JobVariables {
  /** Id of the run. */
  readonly run: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Variables of the run. */
  readonly variables: Values;
  readonly upstream: Pick<UpstreamResults, 'outputs'>;
  /** Values of secrets by variable name. */
  readonly secrets: Values;
  /**
   * Name of the container, for the variable DISTILLERY_PROCESS. Without it, the process engine could count processes of
   * the container among those of a host job of the same run. Absent: the process engine sets the variable.
   */
  readonly container?: string;
  /** Path of the output file. Absent: the job has no outputs. */
  readonly outputFile?: string;
}

/**
 * Returns the environment. In ascending priority: `CI`, variables of the run, outputs of earlier jobs, matrix, secrets,
 * the job's own `env`, and the variables of the gateway, whose names are reserved.
 */
export function jobEnvironment(
  { id, job, matrix }: Pick<PlannedJob, 'id' | 'job' | 'matrix'>,
  { run, attempt, variables, upstream, secrets, container, outputFile }: JobVariables,
): Values {
  return {
    CI: 'true',
    ...variables,
    ...upstream.outputs,
    ...matrix,
    ...secrets,
    ...job.env,
    DISTILLERY_RUN: run,
    DISTILLERY_JOB: id,
    DISTILLERY_ATTEMPT: String(attempt),
    ...(container !== undefined && { DISTILLERY_PROCESS: container }),
    ...(outputFile !== undefined && { DISTILLERY_OUTPUT: outputFile }),
  };
}

/**
 * Returns a lookup function for a condition. The function returns undefined for unknown names. The job's own `env` and
 * secrets are not visible.
 */
export function conditionValues(
  { matrix }: Pick<PlannedJob, 'matrix'>,
  known: Pick<JobVariables, 'variables' | 'upstream'>,
  environment: Readonly<Record<string, string | undefined>>,
): (name: string) => string | undefined {
  const levels = [matrix, known.upstream.outputs, known.variables, environment];
  return (name) => levels.find((level) => Object.hasOwn(level, name))?.[name];
}
