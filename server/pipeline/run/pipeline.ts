// A plan is done: what all its jobs share is made ready, then they run, then it is said what they came to.

import { join } from 'node:path';
import type { Containers } from '../../../calls/contract/containers.ts';
import type { Exit, PipelineEnding, PipelineSpec, ProcessSpec } from '../../../calls/contract/engines.ts';
import type { RunPorts } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/record.ts';
import type { Limits } from '../../../protocol/limits.ts';
import { createArtifacts, openWorkspace, type Workspace } from '../files/files.ts';
import { holds } from '../language/condition.ts';
import type { Plan } from '../plan/plan.ts';
import { checkMounts } from './allowance.ts';
import type { Attempt } from './attempt.ts';
import type { TryEnd } from './board.ts';
import { runContainerJob, type ContainerJobParts } from './container-job.ts';
import { drive, type Driven } from './drive.ts';
import { chooseEngine } from './engine-host.ts';
import { conditionValues } from './environment.ts';
import type { PipelineValue } from './events.ts';
import { Handing } from './handed.ts';
import { runHostJob, type HostJobParts } from './host-job.ts';
import { HostOutputs } from './host-outputs.ts';
import { Images } from './images.ts';
import { createMask, type Mask } from './mask.ts';
import { containerNames } from './names.ts';
import { Networks } from './networks.ts';
import { pause } from './pause.ts';
import { fetchSecrets, type Secrets } from './secrets.ts';
import { planEvents } from './tell-plan.ts';
import { createTeller, type Teller } from './tell.ts';
import { tryJob } from './try-job.ts';

export interface PipelineParts {
  /** Containers of one run, on the gateway's engine or another one. Throws WorkFailed when that does not answer. */
  containers(ports: RunPorts, options: { readonly host?: string }): Promise<Containers>;
  process(ports: RunPorts): (spec: ProcessSpec) => Promise<Exit>;
  /** The value of a secret that the operator has declared; undefined when there is none. */
  secret(name: string): Promise<string | undefined>;
  /** What conditions see beside the variables of the run. */
  environment(): Readonly<Record<string, string | undefined>>;
  limits(): Pick<Limits, 'jobsMax' | 'workspaceBytesMax' | 'workspaceFilesMax' | 'artifactBytesMax' | 'artifactFilesMax' | 'jobOutputsBytesMax'>;
  /** The gateway's data: `runs/<run>/artifacts` and `work` are below it. */
  readonly folder: string;
  /** From 0 to 1, for the jitter of retries. */
  random(): number;
}

export interface PipelineRun {
  readonly ports: RunPorts;
  readonly spec: Omit<PipelineSpec, 'text' | 'file'>;
  readonly plan: Plan;
  /** What the text was worth a word for. */
  readonly warnings: readonly { readonly message: string; readonly line: number; readonly column: number }[];
}

/**
 * Resolves when every job is over and nothing of them is there any more. Throws WorkFailed when the pipeline cannot be begun, and WorkLost when the end of a
 * job was not seen.
 */
export async function runPipeline(run: PipelineRun, parts: PipelineParts): Promise<PipelineEnding> {
  const { spec, plan } = run;
  const jobs = plan.jobs.map(({ job }) => job);
  await checkMounts(jobs, spec);
  const secrets = await fetchSecrets(jobs, (name) => parts.secret(name));
  const mask = createMask(secrets.values);
  const teller = createTeller(run.ports.events, mask);
  tellBeginning(run, teller);
  const handing = new Handing(plan.jobs);
  const { work, signal } = await makeReady(run, { parts, secrets, mask, teller, handing });
  const environment = parts.environment();
  const variables = spec.variables ?? {};
  const driven = await drive(plan, {
    width: parts.limits().jobsMax, signal, tell: teller.tell, wait: pause, random: () => parts.random(),
    tryJob: (planned, number, stop) => tryJob({ planned, number, signal: stop }, { teller, handing, work, outputFor: (job) => mask.output(run.ports.output.part(job)) }),
    holds: (planned) => planned.job.condition === undefined || holds(planned.job.condition, conditionValues(planned, { variables, handed: handing.before(planned) }, environment)),
  });
  return endingOf(driven, { handing, mask });
}

function tellBeginning({ plan, warnings }: PipelineRun, { tell }: Teller): void {
  for (const event of planEvents(plan)) tell(event);
  for (const { message, line, column } of warnings) tell({ type: 'pipeline-warning', message, line, column });
}

interface Shared {
  readonly parts: PipelineParts;
  readonly secrets: Secrets;
  readonly mask: Mask;
  readonly teller: Teller;
  readonly handing: Handing;
}

interface Ready {
  work(attempt: Attempt): Promise<TryEnd>;
  readonly signal: AbortSignal;
}

/** Opens what the jobs of this plan need, and only that. */
async function makeReady(run: PipelineRun, shared: Shared): Promise<Ready> {
  const { ports, plan } = run;
  const containers = plan.jobs.some(({ job }) => job.base.type !== 'host') ? await openContainers(run, shared) : undefined;
  const workspace = await workspaceFor(run, shared);
  const inContainer = containers === undefined ? undefined : containerParts(run, { ...shared, containers, workspace });
  const onHost = hostParts(run, { ...shared, workspace });
  return {
    signal: ports.signal,
    work: (attempt) => {
      const { base } = attempt.planned.job;
      if (base.type === 'host') return runHostJob(attempt, onHost);
      if (inContainer === undefined) throw new Error('containers were not opened for a job that runs in one');
      return runContainerJob(base, attempt, inContainer);
    },
  };
}

async function openContainers({ ports, spec: { allow }, plan }: PipelineRun, { parts, teller }: Shared): Promise<Containers> {
  const { host, warning } = chooseEngine(plan.pipeline.dockerHost, allow, parts.environment());
  if (warning !== undefined) teller.warn(warning);
  return parts.containers(ports, host === undefined ? {} : { host });
}

async function workspaceFor({ ports, spec, plan }: PipelineRun, { parts }: Shared): Promise<Workspace> {
  const wanted = plan.jobs.some(({ job }) => job.copyFiles || job.base.type !== 'image');
  if (!wanted) {
    ports.input.discard();
    return { hidden: [] };
  }
  return openWorkspace(spec.workspace, { ports, work: workFolder(parts.folder), hide: [parts.folder], limits: parts.limits() });
}

/** Folders of runs under way. */
export function workFolder(data: string): string {
  return join(data, 'work');
}

function containerParts(
  { ports, spec }: PipelineRun, { parts, secrets, handing, containers, workspace }: Shared & { readonly containers: Containers; readonly workspace: Workspace },
): ContainerJobParts {
  return {
    containers, workspace, handing,
    images: new Images({ containers, workspace, login: (name) => secrets.login(name) }),
    networks: new Networks(containers),
    mounts: { containers, allow: spec.allow, ...(spec.folder !== undefined && { folder: spec.folder }) },
    artifacts: createArtifacts(join(parts.folder, 'runs', ports.run, 'artifacts'), parts.limits()),
    limits: parts.limits(),
    values: { variables: spec.variables ?? {} },
    secretsOf: ({ planned }) => secrets.of(planned.job.secrets),
    nameFor: containerNames(ports.run),
    stopping: () => ports.signal.aborted,
  };
}

function hostParts({ ports, spec }: PipelineRun, { parts, secrets, handing, workspace }: Shared & { readonly workspace: Workspace }): HostJobParts {
  return {
    ports, workspace, handing,
    process: (own) => parts.process(own),
    outputs: new HostOutputs({ ports, work: workFolder(parts.folder), limits: parts.limits() }),
    values: { variables: spec.variables ?? {} },
    secretsOf: ({ planned }) => secrets.of(planned.job.secrets),
  };
}

function endingOf({ jobs, failed }: Driven, { handing, mask }: Pick<Shared, 'handing' | 'mask'>): PipelineEnding {
  const outputs = Object.fromEntries(Object.entries(handing.outputs()).map(([name, value]) => [name, mask.text(value)]));
  const told = jobs.map((job) => (job.message === undefined ? job : { ...job, message: mask.text(job.message) }));
  const value: PipelineValue = { jobs: told, outputs };
  return {
    value: value as unknown as Json,
    ...(failed !== undefined && { failure: mask.text(`job "${failed.id}" failed: ${failed.message ?? 'it did not say why'}`) }),
    ...(failed?.exitCode !== undefined && { exitCode: failed.exitCode }),
  };
}

