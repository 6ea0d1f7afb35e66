// Reads a pipeline for the command line: its diagnostics, and the parts of its plan that a command prints.

import { inFile } from '../calls/text/diagnostic.ts';
import { formatDiagnostics } from '../calls/text/format-diagnostics.ts';
import type { PipelinePlanView, PipelineSelection, PlannedJobView, ReadPipeline } from './cli/backend.ts';
import { planText } from './pipeline/engine.ts';
import { evaluate } from './pipeline/language/condition.ts';
import type { Plan, PlannedJob } from './pipeline/plan/plan.ts';
import { conditionValues } from './pipeline/run/job/environment.ts';

type Variables = Readonly<Record<string, string>>;

/** Does not check permissions: they belong to the gateway that runs the text. `file` is its name in diagnostics. */
export function readPipelineText(
  text: string,
  file: string,
  { var: variables = {}, job }: PipelineSelection,
): ReadPipeline {
  const { plan, diagnostics } = planText(text, undefined, job);
  const format = (colour: boolean): string => formatDiagnostics(inFile(diagnostics, file, text), { colour });
  return plan === undefined
    ? { ok: false, formatDiagnostics: format }
    : { ok: true, formatDiagnostics: format, plan: toPlanView(plan, variables), warnings: diagnostics };
}

function toPlanView({ jobs, stages }: Plan, variables: Variables): PipelinePlanView {
  return {
    jobs: jobs.map((job) => toJobView(job, variables)),
    stages,
    wantsFiles: jobs.some(({ job }) => job.copyFiles || job.base.type !== 'image'),
  };
}

function toJobView(planned: PlannedJob, variables: Variables): PlannedJobView {
  const {
    id,
    name,
    after,
    stage,
    matrix,
    job: { base, condition, when, retry, timeoutMs, allowFailure, services },
  } = planned;
  const values = conditionValues(planned, { variables, upstream: { outputs: {} } }, {});
  return {
    id,
    name,
    after,
    stage,
    base: jobBase(base),
    ...(Object.keys(matrix).length > 0 && { matrix }),
    ...(condition !== undefined && { condition: { text: condition.text, holds: evaluate(condition, values) } }),
    ...(when !== 'success' && { when }),
    ...(retry.attempts > 1 && { attempts: retry.attempts }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(allowFailure && { allowFailure }),
    ...(services.length > 0 && { services: services.map((service) => service.name) }),
  };
}

function jobBase(base: PlannedJob['job']['base']): PlannedJobView['base'] {
  switch (base.type) {
    case 'image':
      return { image: base.image };
    case 'dockerfile':
      return { dockerfile: base.path };
    case 'host':
      return { host: true };
    default:
      return base satisfies never;
  }
}
