// The engine for pipelines: a text is read, planned and run. What it needs of the rest of the house it gets as parts.

import { complaintLine, type PipelineComplaint } from '../../calls/contract/pipeline-complaint.ts';
import { WorkFailed, type PipelineAllowance, type PipelineEnding, type PipelineSpec } from '../../calls/contract/engines.ts';
import type { Releaser, RunPorts } from '../../calls/contract/ports.ts';
import type { Logger } from '../support/logger.ts';
import { releaseFolder } from './files/files.ts';
import { checkPipeline as readPipeline } from './language/check.ts';
import type { Complaint } from './language/complaint.ts';
import type { Pipeline } from './language/tree.ts';
import { planPipeline } from './plan/build.ts';
import type { Plan } from './plan/plan.ts';
import { allowanceComplaints } from './run/allowance.ts';
import { runPipeline, workFolder, type PipelineParts } from './run/pipeline.ts';

export interface PipelineEngineParts extends PipelineParts {
  readonly log: Logger;
}

export interface PipelineEngine {
  /**
   * Runs a pipeline for the run. Throws WorkFailed when it cannot be begun: its text is not valid, asks for what is not allowed, or what its jobs share is not
   * to be had. Throws WorkLost when the end of a job was not seen; all else of it is gone then.
   */
  pipeline(ports: RunPorts): (spec: PipelineSpec) => Promise<PipelineEnding>;
  /** Of obligations of kind `folder`. */
  readonly releaseFolder: Releaser;
}

export function createPipelineEngine(parts: PipelineEngineParts): PipelineEngine {
  return {
    pipeline: (ports) => async (spec) => {
      try {
        const { plan, complaints } = planText(spec.text, spec.allow);
        if (plan === undefined) throw new WorkFailed(refusalOf(spec.file, complaints.filter(({ severity }) => severity === 'error')));
        parts.log.info({ run: ports.run, jobs: plan.jobs.length }, 'a pipeline begins');
        return await runPipeline({ ports, spec, plan, warnings: complaints }, parts);
      } finally {
        ports.input.discard();
      }
    },
    releaseFolder: releaseFolder(workFolder(parts.folder)),
  };
}

export interface PlannedText {
  /** Absent when there is an error among the complaints. */
  readonly plan?: Plan;
  /** In the order of the file. */
  readonly complaints: readonly Complaint[];
}

/** Everything that can be said of a text before it is run; with `allow` also what of it is not allowed. Never throws. */
export function planText(text: string, allow?: PipelineAllowance): PlannedText {
  const { pipeline, complaints: own } = readPipeline(text);
  if (allow === undefined) return planOf(pipeline, own);
  // Asked again where it matters: whoever may have no host jobs hears of everything else, too.
  const complaints = allow.hostJobs || pipeline?.jobs.every(({ base }) => base.type !== 'host') === true ? own : readPipeline(text, { hostJobs: false }).complaints;
  return planOf(pipeline, [...complaints, ...allowanceComplaints(pipeline?.jobs ?? [], allow)]);
}

/** `complaints` may be such that nothing is planned although there is a pipeline. */
function planOf(pipeline: Pipeline | undefined, complaints: readonly Complaint[]): PlannedText {
  const planned = pipeline === undefined ? { complaints: [] } : planPipeline(pipeline);
  const all = inOrder([...complaints, ...('complaints' in planned ? planned.complaints : [])]);
  return 'plan' in planned && !all.some(({ severity }) => severity === 'error') ? { plan: planned.plan, complaints: all } : { complaints: all };
}

/** For those who check texts before they are accepted. Never throws. */
export function checkPipeline(text: string, allow: PipelineAllowance): readonly PipelineComplaint[] {
  return planText(text, allow).complaints;
}

function inOrder(complaints: readonly Complaint[]): readonly Complaint[] {
  return [...complaints].sort((a, b) => a.line - b.line || a.column - b.column);
}

const refusalCharsMax = 16_000;

/** One line each, as many as fit. */
function refusalOf(file: string, complaints: readonly Complaint[]): string {
  const lines = complaints.map((complaint) => complaintLine(file, complaint));
  let chars = 0;
  const kept = lines.filter((line, at) => {
    chars += line.length + 1;
    return at === 0 || chars <= refusalCharsMax;
  });
  const more = lines.length - kept.length;
  return [...kept.map((line) => line.slice(0, refusalCharsMax)), ...(more === 0 ? [] : [`and ${more} more`])].join('\n');
}
