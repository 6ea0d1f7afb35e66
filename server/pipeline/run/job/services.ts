// Service containers of a job. They start before the job, are ready when it starts, and are removed with it.

import type { Containers, StepContainer, StepSpec } from '../../../../calls/contract/containers.ts';
import { type Exit, WorkFailed } from '../../../../calls/contract/engines.ts';
import type { Output } from '../../../../calls/contract/ports.ts';
import { omitUndefined } from '../../../../calls/text/omit-undefined.ts';
import { quote } from '../../../../calls/text/quote.ts';
import { formatSize } from '../../../../calls/text/units.ts';
import type { Limits } from '../../../../protocol/limits.ts';
import type { Service } from '../../language/model.ts';
import type { Images } from '../resources/images.ts';
import { type MountDeps, mountStrings } from '../resources/mounts.ts';
import type { JobNetwork } from '../resources/networks.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptContainers } from './attempt-containers.ts';
import { waitUntilHealthy } from './service-health.ts';
import { ServiceOutput } from './service-output.ts';

export interface ServiceDeps {
  readonly containers: Pick<Containers, 'create'>;
  readonly images: Pick<Images, 'forService'>;
  readonly mounts: MountDeps;
  readonly network: JobNetwork;
  readonly attemptContainers: AttemptContainers;
  readonly limits: Pick<Limits, 'serviceOutputBytesMax'>;
  /** Aborted when the job no longer needs its services. */
  readonly scriptEnded: AbortSignal;
  containerName(label: string): string;
}

/**
 * Resolves when all services are ready. Rejects with the first failure, but only when no service is still starting. A
 * service that later ends by a signal or with a code other than 0 fails the attempt, until `scriptEnded` is aborted.
 */
export async function startServices(attempt: Attempt, deps: ServiceDeps): Promise<void> {
  const { services } = attempt.planned.job;
  if (services.length === 0) return;
  const failure = new AbortController();
  const signal = AbortSignal.any([attempt.deadline.signal, failure.signal]);
  const started = await Promise.allSettled(
    services.map(async (service) => {
      try {
        await startService(service, { attempt, signal, deps });
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    }),
  );
  if (failure.signal.aborted) throw failure.signal.reason;
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

interface ServiceContext {
  readonly attempt: Attempt;
  /** Aborted when the service is no longer needed. */
  readonly signal: AbortSignal;
  readonly deps: ServiceDeps;
}

async function startService(service: Service, { attempt, signal, deps }: ServiceContext): Promise<void> {
  const { name, image } = service;
  attempt.emitStep({ step: 'service-starting', service: name, image });
  await deps.images.forService(service, attempt);
  const spec = await serviceSpec(service, attempt, deps);
  throwIfAborted(signal);
  const container = await deps.containers.create(spec);
  deps.attemptContainers.add(container);
  throwIfAborted(signal);
  const output = openOutput(name, attempt, deps.limits);
  const { ended } = await startContainer(container, output);
  const failed = ended.then(
    (exit) => endError(service, exit),
    (error: Error) => new WorkFailed(`service ${quote(name)}: ${error.message}`),
  );
  try {
    await waitUntilReady(service, { container, signal, failed });
  } catch (error) {
    if (!signal.aborted) output.flushTailTo(attempt.output, name);
    throw error;
  }
  attempt.emitStep({ step: 'service-healthy', service: name, image });
  void failed.then((error) => {
    if (error === undefined || deps.scriptEnded.aborted || attempt.deadline.signal.aborted) return;
    output.flushTailTo(attempt.output, name);
    attempt.deadline.fail(error);
  });
}

/** Opens the part of the log for the output of a service. The mask of the job applies to it. */
function openOutput(
  name: string,
  { output, planned, warn }: Attempt,
  { serviceOutputBytesMax }: ServiceDeps['limits'],
): ServiceOutput {
  return new ServiceOutput(output.part(name), {
    bytesMax: serviceOutputBytesMax,
    onExceeded: () =>
      warn(
        `job '${planned.id}': the output of the service ${quote(name)} exceeds ${formatSize(serviceOutputBytesMax)} ` +
          '(limit serviceOutputBytesMax); the rest is not stored',
      ),
  });
}

/** Starts the container. Ends `output` when the container has ended or could not start. */
async function startContainer(container: StepContainer, output: Output): ReturnType<StepContainer['start']> {
  const endOutput = (): void => {
    output.end('stdout');
    output.end('stderr');
  };
  try {
    const { ended } = await container.start(output);
    return { ended: ended.finally(endOutput) };
  } catch (error) {
    endOutput();
    throw error;
  }
}

/** Returns an error if the end of a service fails its job. A service that ends with 0 has done its work. */
function endError({ name }: Service, { exitCode, signal, oomKilled }: Exit): WorkFailed | undefined {
  // The exit has neither a code nor a signal if the gateway has stopped the service.
  if ((exitCode === undefined && signal === undefined) || exitCode === 0) return undefined;
  const how = exitCode === undefined ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
  return new WorkFailed(`service ${quote(name)} ${how}${oomKilled === true ? ' (out of memory)' : ''}`);
}

interface StartedService {
  readonly container: StepContainer;
  readonly signal: AbortSignal;
  /** Resolves when the service has ended, with an error if that fails the job. */
  readonly failed: Promise<WorkFailed | undefined>;
}

/**
 * Resolves when the service is healthy, or at once if it has no health check. Rejects with WorkFailed if the service
 * ends first, is not healthy in time, or is no longer needed.
 */
async function waitUntilReady({ name, health }: Service, { container, signal, failed }: StartedService): Promise<void> {
  if (health === undefined) return;
  const ended = new AbortController();
  const endedEarly = failed.then((error) => {
    ended.abort();
    throw error ?? new WorkFailed(`service ${quote(name)} ended before it was healthy`);
  });
  const checking = AbortSignal.any([signal, ended.signal]);
  await Promise.race([waitUntilHealthy({ name, check: health, container, signal: checking }), endedEarly]);
  throwIfAborted(signal);
}

async function serviceSpec(
  service: Service,
  { planned }: Attempt,
  { mounts, network, containerName }: ServiceDeps,
): Promise<StepSpec> {
  const { name, image, env, command, entrypoint, health, memoryBytes, cpus, user } = service;
  return {
    name: containerName(`${planned.name}-${name}`),
    job: planned.id,
    image,
    env,
    network: network.network,
    volumes: await mountStrings(service, mounts),
    ...(network.resolvesNames && { aliases: [name] }),
    ...omitUndefined({ command, entrypoint, health, memoryBytes, cpus, user }),
  };
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new WorkFailed('the attempt was stopped');
}
