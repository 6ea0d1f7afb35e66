// Containers beside a job: started before it, each ready before it begins, gone with it.

import type { Containers, HealthCheck, StepContainer, StepSpec } from '../../../calls/contract/containers.ts';
import { WorkFailed } from '../../../calls/contract/engines.ts';
import { present } from '../../../calls/contract/present.ts';
import { quote } from '../../../calls/contract/quote.ts';
import type { Service } from '../language/tree.ts';
import type { Attempt } from './attempt.ts';
import type { Belongings } from './belongings.ts';
import type { Images } from './images.ts';
import { mountsOf, type MountParts } from './mounts.ts';
import type { JobNetwork } from './networks.ts';
import { OutputTail } from './output-tail.ts';
import { pause } from './pause.ts';

export interface ServiceParts {
  readonly containers: Pick<Containers, 'create'>;
  readonly images: Pick<Images, 'forService'>;
  readonly mounts: MountParts;
  readonly network: JobNetwork;
  readonly belongings: Belongings;
  nameFor(words: string): string;
}

/** Resolves when all are ready. Rejects with the first that cannot be, when none of the others is coming into being any more. */
export async function startServices(attempt: Attempt, parts: ServiceParts): Promise<void> {
  const { services } = attempt.planned.job;
  if (services.length === 0) return;
  const enough = new AbortController();
  const signal = AbortSignal.any([attempt.stop.signal, enough.signal]);
  const started = await Promise.allSettled(services.map(async (service) => {
    try {
      await startService(service, { attempt, signal, parts });
    } catch (error) {
      enough.abort(error);
      throw error;
    }
  }));
  if (enough.signal.aborted) throw enough.signal.reason;
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

interface Starting {
  readonly attempt: Attempt;
  /** Aborted when it is not wanted any more. */
  readonly signal: AbortSignal;
  readonly parts: ServiceParts;
}

async function startService(service: Service, { attempt, signal, parts }: Starting): Promise<void> {
  const { name, image } = service;
  attempt.tell({ step: 'service-starting', service: name, image });
  await parts.images.forService(service, attempt);
  const spec = await specOf(service, attempt, parts);
  checkWanted(signal);
  const container = await parts.containers.create(spec);
  parts.belongings.add(container);
  checkWanted(signal);
  const printed = new OutputTail();
  const { ended } = await container.start(printed);
  await untilReady(service, { container, signal, ended: ended.then(() => {}, () => {}) }).catch((error: unknown) => {
    if (!signal.aborted) printed.tellTo(attempt.output);
    throw error;
  });
  attempt.tell({ step: 'service-healthy', service: name, image });
}

async function specOf(service: Service, { planned }: Attempt, { mounts, network, nameFor }: ServiceParts): Promise<StepSpec> {
  const { name, image, env, command, entrypoint, health, memoryBytes, cpus, user } = service;
  return {
    name: nameFor(`${planned.name}-${name}`), job: planned.id, image, env, network: network.network, volumes: await mountsOf(service, mounts),
    ...(network.named && { aliases: [name] }),
    ...present({ command, entrypoint, health, memoryBytes, cpus, user }),
  };
}

function checkWanted(signal: AbortSignal): void {
  if (signal.aborted) throw new WorkFailed('it was stopped');
}

/** The engine looks at its own pace; this only asks what it has found. */
const askMs = 200;

interface Running {
  readonly container: StepContainer;
  readonly signal: AbortSignal;
  readonly ended: Promise<void>;
}

async function untilReady({ name, health: check }: Service, { container, signal, ended }: Running): Promise<void> {
  if (check === undefined) return;
  for (;;) {
    checkWanted(signal);
    const health = await container.health();
    switch (health) {
      case 'healthy': return;
      case 'unhealthy': throw new WorkFailed(`service ${quote(name)} is not healthy: ${quote(check.command)} failed ${timesOf(check)}`);
      case 'gone': throw new WorkFailed(`service ${quote(name)} ended before it was healthy`);
      case 'starting': break;
      default: return health satisfies never;
    }
    await Promise.race([pause(Math.min(askMs, check.intervalMs), signal), ended]);
  }
}

function timesOf({ retries }: HealthCheck): string {
  return retries === 1 ? 'once' : `${retries} times`;
}
