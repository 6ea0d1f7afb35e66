// The variables of a job: those it is given, and those its condition sees.

import type { PlannedJob } from '../plan/plan.ts';
import type { Handed } from './handed.ts';

type Values = Readonly<Record<string, string>>;

/** Where a job finds the file into which it writes `NAME=value` lines. */
export const outputVariable = 'DISTILLERY_OUTPUT';

export interface JobValues {
  /** Of the run. */
  readonly variables: Values;
  readonly handed: Pick<Handed, 'outputs'>;
  /** By the name of the variable. */
  readonly secrets: Values;
  /** The output file, where the job has one. */
  readonly outputFile?: string;
}

/** Later ones win: variables of the run, outputs of jobs before it, its matrix, its secrets, its own `env`. */
export function environmentOf({ job, matrix }: Pick<PlannedJob, 'job' | 'matrix'>, { variables, handed, secrets, outputFile }: JobValues): Values {
  return { ...variables, ...handed.outputs, ...matrix, ...secrets, ...job.env, ...(outputFile !== undefined && { [outputVariable]: outputFile }) };
}

/** What a condition reads; undefined where nothing has that name. Never `env`, and no secrets. */
export function conditionValues(
  { matrix }: Pick<PlannedJob, 'matrix'>, known: Pick<JobValues, 'variables' | 'handed'>, environment: Readonly<Record<string, string | undefined>>,
): (name: string) => string | undefined {
  const levels = [matrix, known.handed.outputs, known.variables, environment];
  return (name) => levels.find((level) => Object.hasOwn(level, name))?.[name];
}
