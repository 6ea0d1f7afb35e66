// Pipelines as the command line hears of them: every complaint with its line, and the plan without what only those need who run it.

import { complaintPath, complaintText } from '../calls/contract/pipeline-complaint.ts';
import type { PipelinePlan, PlannedStep, ReadPipeline } from './cli/parts.ts';
import { formatProblems } from './config/format.ts';
import { planText } from './pipeline/engine.ts';
import type { Complaint } from './pipeline/language/complaint.ts';
import { holds } from './pipeline/language/condition.ts';
import type { Plan, PlannedJob } from './pipeline/plan/plan.ts';
import { conditionValues } from './pipeline/run/environment.ts';

type Variables = Readonly<Record<string, string>>;

/** `file` is the name to be shown. What the operator of a gateway allows is not known here. */
export function readPipelineText(text: string, file: string, variables: Variables): ReadPipeline {
  const { plan, complaints } = planText(text);
  const complain = (colour: boolean): string => formatProblems(complaints.map((complaint) => problemOf(complaint, file, text)), { colour });
  return plan === undefined ? { ok: false, complain } : { ok: true, complain, plan: viewOf(plan, variables) };
}

function problemOf(complaint: Complaint, file: string, text: string): Parameters<typeof formatProblems>[0][number] {
  const { line, column, severity } = complaint;
  const message = `${severity === 'warning' ? 'warning: ' : ''}${complaintText(complaint)}`;
  return { file, line, column, path: complaintPath(complaint), message, source: text.split(/\r\n|\r|\n/)[line - 1] ?? '' };
}

function viewOf({ jobs, stages }: Plan, variables: Variables): PipelinePlan {
  return { jobs: jobs.map((job) => stepOf(job, variables)), stages, wantsFiles: jobs.some(({ job }) => job.copyFiles || job.base.type !== 'image') };
}

function stepOf(planned: PlannedJob, variables: Variables): PlannedStep {
  const { id, name, after, stage, matrix, job: { base, condition, when, retry, timeoutMs, allowFailure, services } } = planned;
  const values = conditionValues(planned, { variables, handed: { outputs: {} } }, {});
  return {
    id, name, after, stage, base: baseOf(base),
    ...(Object.keys(matrix).length > 0 && { matrix }),
    ...(condition !== undefined && { condition: { text: condition.text, holds: holds(condition, values) } }),
    ...(when !== 'success' && { when }),
    ...(retry.attempts > 1 && { attempts: retry.attempts }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(allowFailure && { allowFailure }),
    ...(services.length > 0 && { services: services.map((service) => service.name) }),
  };
}

function baseOf(base: PlannedJob['job']['base']): PlannedStep['base'] {
  switch (base.type) {
    case 'image': return { image: base.image };
    case 'dockerfile': return { dockerfile: base.path };
    case 'host': return { host: true };
    default: return base satisfies never;
  }
}
