// Runs one attempt of a job in a container: image, services, container, files, script, results and cleanup.

import type { Containers, StepContainer, StepSpec } from '../../../../calls/contract/containers.ts';
import { type Exit, WorkLost } from '../../../../calls/contract/engines.ts';
import { omitUndefined } from '../../../../calls/text/omit-undefined.ts';
import type { Limits } from '../../../../protocol/limits.ts';
import {
  type Artifacts,
  artifactRequests,
  describeSkipped,
  packWorkspace,
  readOutputs,
  type Workspace,
} from '../../files/files.ts';
import type { JobBase } from '../../language/model.ts';
import { safeName } from '../../language/safe-name.ts';
import type { Images } from '../resources/images.ts';
import { type MountDeps, mountStrings } from '../resources/mounts.ts';
import type { JobNetwork, Networks } from '../resources/networks.ts';
import type { JobResults } from '../scheduler/job-results.ts';
import type { AttemptResult } from '../scheduler/scheduler.ts';
import type { Attempt } from './attempt.ts';
import { AttemptContainers } from './attempt-containers.ts';
import { outputLocation } from './container-output-file.ts';
import { completeOutputs, recordOutputsOfFailure } from './declared-outputs.ts';
import { type JobVariables, jobEnvironment } from './environment.ts';
import { containerScriptResult, truncateCommand } from './failure-messages.ts';
import { idleCommand, joinScript, shellFor } from './script.ts';
import { scriptHasOomKill } from './script-oom-kill.ts';
import { startServices } from './services.ts';

export interface ContainerJobDeps {
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly mounts: MountDeps;
  readonly workspace: Workspace;
  readonly artifacts: Artifacts;
  readonly results: JobResults;
  readonly limits: Pick<Limits, 'jobOutputsBytesMax' | 'serviceOutputBytesMax'>;
  readonly values: Pick<JobVariables, 'run' | 'variables'>;
  secretsFor(attempt: Attempt): Readonly<Record<string, string>>;
  containerName(label: string): string;
}

/**
 * Resolves when everything that the attempt opened is released. Rejects with WorkFailed if the attempt could not run,
 * and with WorkLost if the end of the job was not observed.
 */
export async function runContainerJob(
  base: Exclude<JobBase, { type: 'host' }>,
  attempt: Attempt,
  deps: ContainerJobDeps,
): Promise<AttemptResult> {
  const {
    deadline,
    emitStep,
    planned: { job },
  } = attempt;
  const image = await deps.images.forJob(base, attempt);
  deadline.throwIfStopped();
  const attemptContainers = new AttemptContainers(deadline.signal);
  const network = await deps.networks.join(job);
  const scriptEnded = new AbortController();
  try {
    await startServices(attempt, { ...deps, network, attemptContainers, scriptEnded: scriptEnded.signal });
    deadline.throwIfStopped();
    emitStep({ step: 'container-creating' });
    const container = await createContainer(await containerSpec(attempt, { image, network, deps }), {
      deps,
      attemptContainers,
    });
    deadline.throwIfStopped();
    return await runInContainer(container, image, { attempt, deps, onScriptEnd: () => scriptEnded.abort() });
  } finally {
    await removeContainers(attemptContainers, attempt);
    network.release();
  }
}

async function createContainer(
  spec: StepSpec,
  { deps, attemptContainers }: { readonly deps: ContainerJobDeps; readonly attemptContainers: AttemptContainers },
): Promise<StepContainer> {
  const container = await deps.containers.create(spec);
  attemptContainers.add(container);
  return container;
}

interface SpecContext {
  readonly image: string;
  readonly network: JobNetwork;
  readonly deps: ContainerJobDeps;
}

async function containerSpec(attempt: Attempt, { image, network, deps }: SpecContext): Promise<StepSpec> {
  const { planned, upstream } = attempt;
  const { job } = planned;
  const [program, ...args] = job.soloExecution ? idleCommand : shellFor(joinScript(job), job);
  const name = deps.containerName(planned.name);
  return {
    name,
    job: planned.id,
    image,
    entrypoint: [program],
    command: args,
    workdir: job.workDir,
    env: jobEnvironment(planned, {
      ...deps.values,
      attempt: attempt.number,
      container: name,
      upstream,
      secrets: deps.secretsFor(attempt),
      ...(job.outputs.length > 0 && { outputFile: outputLocation.file }),
    }),
    network: network.network,
    volumes: await mountStrings(job, deps.mounts),
    ports: job.ports,
    ...(network.resolvesNames && { aliases: [safeName(planned.name)] }),
    ...omitUndefined({ memoryBytes: job.memoryBytes, cpus: job.cpus, user: job.user }),
  };
}

interface JobContext {
  readonly attempt: Attempt;
  readonly deps: ContainerJobDeps;
  readonly onScriptEnd: () => void;
}

async function runInContainer(container: StepContainer, image: string, context: JobContext): Promise<AttemptResult> {
  const {
    attempt: {
      deadline,
      emitStep,
      output,
      planned: { job },
    },
    deps,
  } = context;
  await copyFilesIn(container, context);
  deadline.throwIfStopped();
  emitStep({ step: 'container-starting' });
  const { ended } = await container.start(output);
  // Ignore the rejection here: `runWholeScript` awaits `ended` later, and `soloExecution` does not need it.
  ended.catch(() => {});
  emitStep({ step: 'container-started', container: container.id, image });
  const result = job.soloExecution
    ? await runCommandsSeparately({ container, ended }, context.attempt)
    : await runWholeScript(ended, context.attempt);
  context.onScriptEnd();
  deadline.throwIfStopped();
  if (result.type === 'succeeded') await storeResults(container, context);
  else if (result.type === 'failed' && job.outputs.length > 0)
    await recordOutputsOfFailure(context.attempt, deps.results, () => readJobOutputs(container, context));
  return result;
}

/** A container that stays idle while the gateway executes commands in it. */
interface IdleContainer {
  readonly container: StepContainer;
  readonly ended: Promise<Exit>;
}

/** Copies into the container everything that must exist before it starts. */
async function copyFilesIn(container: StepContainer, { attempt, deps }: JobContext): Promise<void> {
  const {
    planned: { job },
    upstream,
    emitStep,
    warn,
  } = attempt;
  if (job.outputs.length > 0) await container.put(outputLocation.folder, outputLocation.archive());
  if (job.copyFiles) {
    let packed = { files: 0, bytes: 0 };
    const artifacts = upstream.artifacts.map((id) => deps.artifacts.folderFor(id));
    await container.put(
      job.workDir,
      packWorkspace(deps.workspace, {
        ignore: job.copyIgnore,
        artifacts,
        onPacked: (all) => {
          packed = all;
        },
        onWarning: warn,
      }),
    );
    emitStep({ step: 'files-copied', ...packed });
  }
}

async function runWholeScript(ended: Promise<Exit>, attempt: Attempt): Promise<AttemptResult> {
  const {
    emitStep,
    deadline,
    planned: { job },
  } = attempt;
  if (job.script.length > 0) emitStep({ step: 'shell-started' });
  const exit = await ended;
  deadline.throwIfStopped();
  if (exit.exitCode === 0 && exit.oomKilled === true) warnOomKilled(attempt);
  return emitScriptEnd(exit, { emitStep });
}

function warnOomKilled({ warn, planned: { id } }: Attempt): void {
  warn(`job '${id}': one of its processes ran out of memory and was killed`);
}

async function runCommandsSeparately({ container, ended }: IdleContainer, attempt: Attempt): Promise<AttemptResult> {
  const {
    emitStep,
    deadline,
    output,
    planned: { job },
  } = attempt;
  const hasOomKill = async (): Promise<boolean> =>
    job.memoryBytes !== undefined && (await scriptHasOomKill({ container, ended }, deadline.signal));
  for (const line of job.script) {
    const command = truncateCommand(line);
    emitStep({ step: 'command-started', command });
    const exit = await container.exec(shellFor(line, job), { output, workdir: job.workDir });
    deadline.throwIfStopped();
    const oomKilled = exit.exitCode !== 0 && (await hasOomKill());
    const result = emitScriptEnd({ ...exit, ...(oomKilled && { oomKilled }) }, { emitStep, command });
    if (result.type !== 'succeeded') return result;
  }
  if (await hasOomKill()) warnOomKilled(attempt);
  return { type: 'succeeded', exitCode: 0 };
}

function emitScriptEnd(
  exit: Exit,
  { emitStep, command }: Pick<Attempt, 'emitStep'> & { readonly command?: string },
): AttemptResult {
  if (exit.exitCode === undefined && exit.signal === undefined)
    throw new WorkLost('another program removed the container of the job before its end was observed');
  const result = containerScriptResult(exit, command);
  if (result.type === 'succeeded') emitStep({ step: 'script-succeeded' });
  else
    emitStep({
      step: 'script-failed',
      ...(exit.exitCode !== undefined && { exitCode: exit.exitCode }),
      ...(command !== undefined && { command }),
    });
  return result;
}

async function storeResults(container: StepContainer, context: JobContext): Promise<void> {
  const {
    attempt: { planned },
    deps,
  } = context;
  const outputs = await readJobOutputs(container, context);
  const artifacts = await storeArtifacts(container, context);
  deps.results.record(planned.id, { outputs, artifacts: artifacts ? [planned.id] : [] });
}

async function readJobOutputs(
  container: StepContainer,
  { attempt, deps }: JobContext,
): Promise<Readonly<Record<string, string>>> {
  const { job } = attempt.planned;
  if (job.outputs.length === 0) return {};
  return completeOutputs(
    attempt,
    await readOutputs(await container.get(outputLocation.file), job.outputs, {
      ...deps.limits,
      warn: (message) => attempt.warn(`job '${attempt.planned.id}': ${message}`),
    }),
  );
}

/** Returns true if the job requests artifacts. */
async function storeArtifacts(
  container: StepContainer,
  { attempt: { planned, emitStep, warn, deadline }, deps }: JobContext,
): Promise<boolean> {
  const requests = artifactRequests(planned.job);
  if (requests.length === 0) return false;
  const sum = { files: 0, bytes: 0 };
  for (const request of requests) {
    const { files, bytes, unmatched, skipped } = await deps.artifacts.store(
      planned.id,
      request,
      await container.get(request.path),
    );
    sum.files += files;
    sum.bytes += bytes;
    for (const glob of unmatched) warn(`job '${planned.id}': no file matches the artifact ${glob}`);
    for (const message of describeSkipped(skipped)) warn(`job '${planned.id}': ${message}`);
    deadline.throwIfStopped();
  }
  emitStep({ step: 'artifacts-kept', ...sum });
  return true;
}

async function removeContainers(attemptContainers: AttemptContainers, { emitStep, warn }: Attempt): Promise<void> {
  if (attemptContainers.empty) return;
  emitStep({ step: 'container-removing' });
  const leftovers = await attemptContainers.releaseAll();
  if (leftovers.length === 0) emitStep({ step: 'container-removed' });
  for (const message of leftovers) warn(message);
}
