// One try of a job in a container: image, services, container, files, script, what is kept of it, and the end of all of it.

import type { Containers, StepContainer, StepSpec } from '../../../calls/contract/containers.ts';
import { WorkLost, type Exit } from '../../../calls/contract/engines.ts';
import { present } from '../../../calls/contract/present.ts';
import { artifactWishes, packWorkspace, readOutputs, type Artifacts, type Workspace } from '../files/files.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { Base } from '../language/tree.ts';
import type { Attempt } from './attempt.ts';
import { Belongings } from './belongings.ts';
import type { TryEnd } from './board.ts';
import { environmentOf, type JobValues } from './environment.ts';
import type { Handing } from './handed.ts';
import type { Images } from './images.ts';
import { endOfScript, shownCommand } from './messages.ts';
import { mountsOf, type MountParts } from './mounts.ts';
import { safeName } from './names.ts';
import type { JobNetwork, Networks } from './networks.ts';
import { OutputTail } from './output-tail.ts';
import { allOutputs, outputPlace } from './outputs.ts';
import { pause } from './pause.ts';
import { joined, keeper, shellFor } from './script.ts';
import { startServices } from './services.ts';

export interface ContainerJobParts {
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly mounts: MountParts;
  readonly workspace: Workspace;
  readonly artifacts: Artifacts;
  readonly handing: Handing;
  readonly limits: Pick<Limits, 'jobOutputsBytesMax'>;
  readonly values: Omit<JobValues, 'handed' | 'outputFile' | 'secrets'>;
  secretsOf(attempt: Attempt): Readonly<Record<string, string>>;
  nameFor(words: string): string;
  /** The run is to stop. */
  readonly stopping: () => boolean;
}

/** Resolves when nothing of it is there any more. Throws WorkFailed when it could not be done, and WorkLost when its end was not seen. */
export async function runContainerJob(base: Exclude<Base, { type: 'host' }>, attempt: Attempt, parts: ContainerJobParts): Promise<TryEnd> {
  const { stop, tell, planned: { job } } = attempt;
  const image = await parts.images.forJob(base, attempt);
  stop.check();
  const belongings = new Belongings({ signal: stop.signal, gently: parts.stopping });
  const network = await parts.networks.join(job);
  try {
    await startServices(attempt, { ...parts, network, belongings });
    stop.check();
    tell({ step: 'container-creating' });
    const container = await create(await specOf(attempt, { image, network, parts }), { parts, belongings });
    stop.check();
    return await useContainer(container, image, { attempt, parts });
  } finally {
    await remove(belongings, attempt);
    network.leave();
  }
}

async function create(spec: StepSpec, { parts, belongings }: { readonly parts: ContainerJobParts; readonly belongings: Belongings }): Promise<StepContainer> {
  const container = await parts.containers.create(spec);
  belongings.add(container);
  return container;
}

interface Made {
  readonly image: string;
  readonly network: JobNetwork;
  readonly parts: ContainerJobParts;
}

async function specOf(attempt: Attempt, { image, network, parts }: Made): Promise<StepSpec> {
  const { planned, handed } = attempt;
  const { job } = planned;
  const [program, ...args] = job.soloExecution ? keeper : shellFor(joined(job), job);
  return {
    name: parts.nameFor(planned.name), job: planned.id, image, entrypoint: [program], command: args, workdir: job.workDir,
    env: environmentOf(planned, { ...parts.values, handed, secrets: parts.secretsOf(attempt), ...(job.outputs.length > 0 && { outputFile: outputPlace.file }) }),
    network: network.network, volumes: await mountsOf(job, parts.mounts), ports: job.ports,
    ...(network.named && { aliases: [safeName(planned.name)] }),
    ...present({ memoryBytes: job.memoryBytes, cpus: job.cpus, user: job.user }),
  };
}

interface Work {
  readonly attempt: Attempt;
  readonly parts: ContainerJobParts;
}

async function useContainer(container: StepContainer, image: string, work: Work): Promise<TryEnd> {
  const { attempt: { stop, tell, output, planned: { job } } } = work;
  await fill(container, work);
  stop.check();
  tell({ step: 'container-starting' });
  const { ended } = await container.start(output);
  // Heard of below; or not at all, where the script is executed in it.
  ended.catch(() => {});
  tell({ step: 'container-started', container: container.id, image });
  const end = job.soloExecution ? await eachAlone({ container, ended }, work.attempt) : await allTogether(ended, work.attempt);
  stop.check();
  if (end.type === 'succeeded') await keep(container, work);
  return end;
}

/** A container that is kept there for commands to be executed in it. */
interface Keeping {
  readonly container: StepContainer;
  readonly ended: Promise<Exit>;
}

/** Whatever has to be there before it starts. */
async function fill(container: StepContainer, { attempt, parts }: Work): Promise<void> {
  const { planned: { job }, handed, tell, warn } = attempt;
  if (job.outputs.length > 0) await container.put(outputPlace.folder, outputPlace.archive());
  if (job.copyFiles) {
    let packed = { files: 0, bytes: 0 };
    const artifacts = handed.artifacts.map((id) => parts.artifacts.folderOf(id));
    await container.put(job.workDir, packWorkspace(parts.workspace, { ignore: job.copyIgnore, artifacts, onPacked: (all) => { packed = all; }, onWarning: warn }));
    tell({ step: 'files-copied', ...packed });
  }
}

async function allTogether(ended: Promise<Exit>, { tell, warn, stop, planned: { id, job } }: Attempt): Promise<TryEnd> {
  if (job.script.length > 0) tell({ step: 'shell-started' });
  const exit = await ended;
  stop.check();
  if (exit.exitCode === 0 && exit.oomKilled === true) warn(`job '${id}': a part of it ran out of memory and was killed`);
  return scriptEnd(exit, { tell });
}

async function eachAlone({ container, ended }: Keeping, { tell, stop, output, planned: { job } }: Attempt): Promise<TryEnd> {
  for (const item of job.script) {
    const command = shownCommand(item);
    tell({ step: 'command-started', command });
    const exit = await container.exec(shellFor(item, job), { output, workdir: job.workDir });
    stop.check();
    const oomKilled = exit.exitCode === killedBySigkill && job.memoryBytes !== undefined && (await ranOutOfMemory({ container, ended }, stop.signal));
    const end = scriptEnd({ ...exit, ...(oomKilled && { oomKilled }) }, { tell, command });
    if (end.type !== 'succeeded') return end;
  }
  return { type: 'succeeded', exitCode: 0 };
}

const killedBySigkill = 137;
const keeperMs = 5_000;

/** The engine knows it of the whole container, and tells it when that ends: so its keeper is asked to go. */
async function ranOutOfMemory({ container, ended }: Keeping, signal: AbortSignal): Promise<boolean> {
  await container.exec(['/bin/sh', '-c', 'kill -TERM 1'], { output: new OutputTail() }).catch(() => {});
  const exit = await Promise.race([ended, pause(keeperMs, signal)]).catch(() => undefined);
  return exit?.oomKilled === true;
}

function scriptEnd(exit: Exit, { tell, command }: Pick<Attempt, 'tell'> & { readonly command?: string }): TryEnd {
  if (exit.exitCode === undefined && exit.signal === undefined) throw new WorkLost('the container of a job was removed by somebody else before its end was seen');
  const end = endOfScript(exit, command);
  if (end.type === 'succeeded') tell({ step: 'script-succeeded' });
  else tell({ step: 'script-failed', ...(exit.exitCode !== undefined && { exitCode: exit.exitCode }), ...(command !== undefined && { command }) });
  return end;
}

async function keep(container: StepContainer, work: Work): Promise<void> {
  const { attempt: { planned }, parts } = work;
  const outputs = await readOutput(container, work);
  const artifacts = await keepArtifacts(container, work);
  parts.handing.made(planned.id, { outputs, artifacts: artifacts ? [planned.id] : [] });
}

async function readOutput(container: StepContainer, { attempt, parts }: Work): Promise<Readonly<Record<string, string>>> {
  const { job } = attempt.planned;
  if (job.outputs.length === 0) return {};
  return allOutputs(attempt, await readOutputs(await container.get(outputPlace.file), job.outputs, parts.limits));
}

/** True when there are any. */
async function keepArtifacts(container: StepContainer, { attempt: { planned, tell, warn, stop }, parts }: Work): Promise<boolean> {
  const wishes = artifactWishes(planned.job);
  if (wishes.length === 0) return false;
  const sum = { files: 0, bytes: 0 };
  for (const wish of wishes) {
    const { files, bytes, unmatched } = await parts.artifacts.keep(planned.id, wish, await container.get(wish.path));
    sum.files += files;
    sum.bytes += bytes;
    for (const glob of unmatched) warn(`job '${planned.id}': nothing matches the artifact ${glob}`);
    stop.check();
  }
  tell({ step: 'artifacts-kept', ...sum });
  return true;
}

async function remove(belongings: Belongings, { tell, warn }: Attempt): Promise<void> {
  if (belongings.empty) return;
  tell({ step: 'container-removing' });
  const left = await belongings.end();
  if (left.length === 0) tell({ step: 'container-removed' });
  for (const words of left) warn(words);
}
