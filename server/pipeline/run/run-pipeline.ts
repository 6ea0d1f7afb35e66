// Runs a plan: prepares the resources that jobs share, runs the jobs, and returns the result.

import { join } from 'node:path';
import type { Containers } from '../../../calls/contract/containers.ts';
import type { Exit, PipelineResult, PipelineSpec, ProcessSpec } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Json } from '../../../protocol/run-record.ts';
import { delay } from '../../support/delay.ts';
import { createArtifacts, openWorkspace, type Workspace } from '../files/files.ts';
import { evaluate } from '../language/condition.ts';
import type { Plan, PlannedJob } from '../plan/plan.ts';
import { createPipelineEmitter, type PipelineEmitter } from './events/emitter.ts';
import type { PipelineValue } from './events/events.ts';
import { planEvents } from './events/plan-events.ts';
import type { Attempt } from './job/attempt.ts';
import { type ContainerJobDeps, runContainerJob } from './job/container-job.ts';
import { conditionValues } from './job/environment.ts';
import { type HostJobDeps, runHostJob } from './job/host-job.ts';
import { HostOutputFiles } from './job/host-output-file.ts';
import { containerNames } from './job/resource-names.ts';
import { runAttempt } from './job/run-attempt.ts';
import { checkMounts } from './permissions.ts';
import { Images } from './resources/images.ts';
import { Networks } from './resources/networks.ts';
import { createMask, type Mask } from './resources/secret-mask.ts';
import { fetchSecrets, type Secrets } from './resources/secrets.ts';
import { selectEngine } from './resources/select-engine.ts';
import { type PlanResult, runJobs } from './scheduler/dispatcher.ts';
import { JobResults } from './scheduler/job-results.ts';
import type { AttemptResult } from './scheduler/scheduler.ts';

export interface PipelineDeps {
  /**
   * Opens the containers of one run, on the gateway's engine or on `host`. Rejects with WorkFailed if the engine does
   * not answer.
   */
  containers(ports: RunPorts, options: { readonly host?: string }): Promise<Containers>;
  process(ports: RunPorts): (spec: ProcessSpec) => Promise<Exit>;
  /** Returns the value of a secret that the operator declared, or undefined. */
  secret(name: string): Promise<string | undefined>;
  /** Variables that conditions can use besides those of the run. */
  environment(): Readonly<Record<string, string | undefined>>;
  limits(): Pick<
    Limits,
    | 'jobsMax'
    | 'workspaceBytesMax'
    | 'workspaceFilesMax'
    | 'artifactBytesMax'
    | 'artifactFilesMax'
    | 'jobOutputsBytesMax'
    | 'serviceOutputBytesMax'
  >;
  /** The gateway's data folder. It contains `runs/<run>/artifacts` and `work`. */
  readonly folder: string;
  /** Returns a number from 0 to 1, for the jitter of retries. */
  random(): number;
}

export interface PipelineRun {
  readonly ports: RunPorts;
  readonly spec: Omit<PipelineSpec, 'text' | 'file'>;
  readonly plan: Plan;
  /**
   * Ports for what the pipeline opens. If a job has `when: always`, the opened resources outlive a stop of the run.
   * That job may use the workspace, the volumes and the networks of other jobs.
   */
  readonly finalPorts: RunPorts;
  /** Warnings from the language check. */
  readonly warnings: readonly { readonly message: string; readonly line: number; readonly column: number }[];
}

/**
 * Resolves when every job has ended and everything that the jobs opened is released. Rejects with WorkFailed if the
 * pipeline cannot start, and with WorkLost if the end of a job was not observed.
 */
export async function runPipeline(
  request: Omit<PipelineRun, 'finalPorts'>,
  deps: PipelineDeps,
): Promise<PipelineResult> {
  const { spec, plan, ports } = request;
  const jobs = plan.jobs.map(({ job }) => job);
  const finalPorts = jobs.some(({ when }) => when === 'always') ? ports.afterStop() : ports;
  const run: PipelineRun = { ...request, finalPorts };
  await checkMounts(jobs, spec);
  const secrets = await fetchSecrets(jobs, (name) => deps.secret(name));
  const mask = createMask(secrets.values);
  const emitter = createPipelineEmitter(run.ports.events, mask);
  emitPlan(run, emitter);
  const results = new JobResults(plan.jobs);
  const runJob = await prepare(run, { deps, secrets, mask, emitter, results });
  const result = await runJobs(plan, {
    maxParallel: deps.limits().jobsMax,
    signal: ports.signal,
    finalSignal: finalPorts.signal,
    emit: emitter.emit,
    delay: (ms, delaySignal) => delay(ms, { signal: delaySignal }),
    random: () => deps.random(),
    runAttempt: (planned, number, attemptSignal) =>
      runAttempt(
        { planned, number, signal: attemptSignal },
        { emitter, results, runJob, outputFor: (job) => mask.output(run.ports.output.part(job)) },
      ),
    conditionHolds: createConditionCheck(spec, results, deps.environment()),
  });
  return toCallResult(result, { results, mask });
}

/** Returns a function that evaluates the condition of a job. A job without a condition always runs. */
function createConditionCheck(
  { variables = {} }: PipelineRun['spec'],
  results: JobResults,
  environment: Readonly<Record<string, string | undefined>>,
): (planned: PlannedJob) => boolean {
  return (planned) =>
    planned.job.condition === undefined ||
    evaluate(
      planned.job.condition,
      conditionValues(planned, { variables, upstream: results.upstreamOf(planned) }, environment),
    );
}

function emitPlan({ plan, warnings }: PipelineRun, { emit }: PipelineEmitter): void {
  for (const event of planEvents(plan)) emit(event);
  for (const { message, line, column } of warnings) emit({ type: 'pipeline-warning', message, line, column });
}

interface SharedState {
  readonly deps: PipelineDeps;
  readonly secrets: Secrets;
  readonly mask: Mask;
  readonly emitter: PipelineEmitter;
  readonly results: JobResults;
}

/** Prepares only the resources that the jobs of this plan need. Returns a function that runs one attempt. */
async function prepare(run: PipelineRun, shared: SharedState): Promise<(attempt: Attempt) => Promise<AttemptResult>> {
  const { plan } = run;
  const containers = plan.jobs.some(({ job }) => job.base.type !== 'host')
    ? await openContainers(run, shared)
    : undefined;
  const workspace = await prepareWorkspace(run, shared);
  const inContainer =
    containers === undefined ? undefined : containerJobDeps(run, { ...shared, containers, workspace });
  const onHost = hostJobDeps(run, { ...shared, workspace });
  return (attempt) => {
    const { base } = attempt.planned.job;
    if (base.type === 'host') return runHostJob(attempt, onHost);
    if (inContainer === undefined)
      throw new Error(`cannot run job "${attempt.planned.id}": the run has not opened any containers`);
    return runContainerJob(base, attempt, inContainer);
  };
}

async function openContainers(
  { finalPorts, spec: { allow }, plan }: PipelineRun,
  { deps, emitter }: SharedState,
): Promise<Containers> {
  const { host, warning } = selectEngine(plan.pipeline.dockerHost, allow, deps.environment());
  if (warning !== undefined) emitter.warn(warning);
  return deps.containers(finalPorts, host === undefined ? {} : { host });
}

async function prepareWorkspace(
  { ports, finalPorts, spec, plan }: PipelineRun,
  { deps }: SharedState,
): Promise<Workspace> {
  const needsFiles = plan.jobs.some(({ job }) => job.copyFiles || job.base.type !== 'image');
  if (!needsFiles) {
    ports.input.discard();
    return { hidden: [] };
  }
  return openWorkspace(spec.workspace, {
    // A stop ends the upload, but only the end of the run removes the folder.
    ports: { ...finalPorts, signal: ports.signal },
    work: workFolder(deps.folder),
    hide: [deps.folder],
    limits: deps.limits(),
  });
}

/** Returns the folder that contains the folders of active runs. */
export function workFolder(data: string): string {
  return join(data, 'work');
}

function containerJobDeps(
  { ports, spec }: PipelineRun,
  {
    deps,
    secrets,
    results,
    containers,
    workspace,
  }: SharedState & { readonly containers: Containers; readonly workspace: Workspace },
): ContainerJobDeps {
  return {
    containers,
    workspace,
    results,
    images: new Images({ containers, workspace, login: (name) => secrets.login(name) }),
    networks: new Networks(containers),
    mounts: { containers, allow: spec.allow, ...(spec.folder !== undefined && { folder: spec.folder }) },
    artifacts: createArtifacts(join(deps.folder, 'runs', ports.run, 'artifacts'), deps.limits()),
    limits: deps.limits(),
    values: { run: ports.run, variables: spec.variables ?? {} },
    secretsFor: ({ planned }) => secrets.variablesFor(planned.job.secrets),
    containerName: containerNames(ports.run),
  };
}

function hostJobDeps(
  { finalPorts: ports, spec }: PipelineRun,
  { deps, secrets, results, workspace }: SharedState & { readonly workspace: Workspace },
): HostJobDeps {
  return {
    ports,
    workspace,
    results,
    process: (own) => deps.process(own),
    outputFiles: new HostOutputFiles({ ports, work: workFolder(deps.folder), limits: deps.limits() }),
    values: { run: ports.run, variables: spec.variables ?? {} },
    secretsFor: ({ planned }) => secrets.variablesFor(planned.job.secrets),
  };
}

function toCallResult(
  { jobs, failed }: PlanResult,
  { results, mask }: Pick<SharedState, 'results' | 'mask'>,
): PipelineResult {
  const outputs = Object.fromEntries(
    Object.entries(results.outputs()).map(([name, output]) => [name, mask.text(output)]),
  );
  const summaries = jobs.map((job) => (job.message === undefined ? job : { ...job, message: mask.text(job.message) }));
  const value: PipelineValue = { jobs: summaries, outputs };
  return {
    value: value as unknown as Json,
    ...(failed !== undefined && {
      failure: mask.text(`job "${failed.id}" failed: ${failed.message ?? 'no reason given'}`),
    }),
    ...(failed?.exitCode !== undefined && { exitCode: failed.exitCode }),
  };
}
