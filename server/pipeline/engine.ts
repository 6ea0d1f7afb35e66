// The pipeline engine: plans the text of a run, unless the run brings a plan, and runs the plan.

import {
  type PipelinePermissions,
  type PipelineResult,
  type PipelineSpec,
  WorkFailed,
} from '../../calls/contract/engines.ts';
import type { Releaser, RunPorts } from '../../calls/contract/ports.ts';
import { byPosition, isError } from '../../calls/text/diagnostic.ts';
import { formatDiagnosticLine, joinDiagnosticLines } from '../../calls/text/format-diagnostics.ts';
import type { Logger } from '../support/logger.ts';
import { releaseFolder } from './files/files.ts';
import { parsePipeline } from './language/check.ts';
import type { PipelineDiagnostic } from './language/diagnostic.ts';
import type { Plan } from './plan/plan.ts';
import { planPipeline } from './plan/planner.ts';
import { selectJobs } from './plan/select-jobs.ts';
import { permissionDiagnostics } from './run/permissions.ts';
import { secretNames } from './run/resources/secrets.ts';
import { type PipelineDeps, runPipeline, workFolder } from './run/run-pipeline.ts';

export interface PipelineEngineDeps extends PipelineDeps {
  readonly log: Logger;
  /** Plans texts that arrive without a plan. Default: `planText`. */
  readonly planText?: typeof planText;
}

export interface PipelineEngine {
  /**
   * Runs a pipeline for a run. Rejects with WorkFailed if the pipeline cannot start: the text is invalid, something is
   * not permitted, or a shared resource is not available. Rejects with WorkLost if the end of a job was not observed.
   * By then, everything else that the run opened is released.
   */
  pipeline(ports: RunPorts): (spec: PipelineSpec) => Promise<PipelineResult>;
  /** Releases obligations of kind `folder`. */
  readonly releaseFolder: Releaser;
}

export function createPipelineEngine(deps: PipelineEngineDeps): PipelineEngine {
  const plan = deps.planText ?? planText;
  return {
    pipeline: (ports) => async (spec) => {
      try {
        // Every plan that a run brings comes from `planText`.
        const planned = (spec.planned as PlannedText | undefined) ?? plan(spec.text, spec.allow, spec.jobs);
        if (planned.plan === undefined) throw new WorkFailed(errorText(spec.file, planned.diagnostics));
        deps.log.info({ run: ports.run, jobs: planned.plan.jobs.length }, 'pipeline started');
        return await runPipeline({ ports, spec, plan: planned.plan, warnings: planned.diagnostics }, deps);
      } finally {
        ports.input.discard();
      }
    },
    releaseFolder: releaseFolder(workFolder(deps.folder)),
  };
}

export interface PlannedText {
  /** Absent when one of the diagnostics is an error. */
  readonly plan?: Plan;
  /** Display name of the pipeline. */
  readonly title?: string;
  /** In the order of the text. */
  readonly diagnostics: readonly PipelineDiagnostic[];
}

/**
 * Parses, checks and plans a text. With `allow`, also reports what the operator does not permit. With `jobs`, the plan
 * has only these jobs and those they depend on. Never throws.
 */
export function planText(text: string, allow?: PipelinePermissions, jobs: readonly string[] = []): PlannedText {
  const { pipeline, diagnostics } = parsePipeline(text, { hostJobs: allow?.hostJobs ?? true });
  const whole = pipeline === undefined ? { diagnostics: [] } : planPipeline(pipeline);
  const planned = 'plan' in whole && jobs.length > 0 ? selectJobs(whole.plan, jobs) : whole;
  const all = byPosition([
    ...diagnostics,
    ...(allow === undefined ? [] : permissionDiagnostics(pipeline?.jobs ?? [], allow)),
    ...('diagnostics' in planned ? planned.diagnostics : []),
  ]);
  if (!('plan' in planned) || all.some(isError)) return { diagnostics: all };
  const title = pipeline?.name;
  return { plan: planned.plan, diagnostics: all, ...(title !== undefined && { title }) };
}

/** Returns the names of the secrets that a plan needs. */
export function plannedSecrets({ jobs }: Plan): readonly string[] {
  return secretNames(jobs.map(({ job }) => job));
}

const errorCharsMax = 16_000;

/** Returns one line per error, up to `errorCharsMax` characters. */
function errorText(file: string, diagnostics: readonly PipelineDiagnostic[]): string {
  const lines = diagnostics.filter(isError).map((diagnostic) => formatDiagnosticLine({ ...diagnostic, file }));
  return joinDiagnosticLines(lines, errorCharsMax);
}
