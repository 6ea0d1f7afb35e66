// Runs the container of a call from its creation to its exit code. Only the releaser ends a container; this code
// observes it and returns when the run is stopping.

import type Docker from 'dockerode';
import { type ContainerSpec, type Exit, WorkFailed } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { untilAborted } from '../support/until-aborted.ts';
import { adoptContainer } from './adopt.ts';
import type { Connection } from './connect.ts';
import { createOptions } from './create-options.ts';
import { pullForRun } from './images/pull.ts';
import { type ContainerRef, createContainer, startContainer } from './start.ts';
import { pumpInput } from './streams.ts';
import { waitForContainer } from './wait.ts';

export interface ContainerRun {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly spec: ContainerSpec;
  readonly name: string;
  readonly gateway: string;
  readonly obligation: Obligation;
  readonly pullMs: number;
}

/**
 * Resolves with the exit of the container. Resolves with `{}` if the run was stopped before the start, or if the
 * container is released before the engine has reported the exit. Rejects with WorkFailed if it cannot start, with
 * WorkLost if its exit code cannot be determined. If the engine is lost, waits until the engine answers again.
 */
export async function runContainer(run: ContainerRun): Promise<Exit> {
  try {
    const container = await createWithImage(run);
    if (container === undefined) return {};
    run.obligation.update({ container: container.id });
    run.ports.events.emit('container-created', { container: container.id, name: run.name, image: run.spec.image });
    return await runToExit(run, container);
  } finally {
    run.ports.input.discard();
    run.ports.output.end('stdout');
    run.ports.output.end('stderr');
  }
}

// Unless the policy is `always`, creates the container without a check for the image. The image is usually present, so
// this saves a request.
async function createWithImage(run: ContainerRun): Promise<Docker.Container | undefined> {
  const { engine, ports, spec, pullMs } = run;
  const policy = spec.pull ?? 'missing';
  if (ports.signal.aborted) return undefined;
  if (policy !== 'always') {
    const created = await create(run);
    if (created !== 'image missing') return created;
    if (policy === 'never')
      throw new WorkFailed(`the Docker engine has no image "${spec.image}", and "pull: never" forbids pulling it`);
  }
  await pullForRun(engine, ports, { image: spec.image, pullMs });
  if (ports.signal.aborted) return undefined;
  const created = await create(run);
  if (created === 'image missing')
    throw new WorkFailed(`the Docker engine no longer has image "${spec.image}", although it was pulled`);
  return created;
}

/**
 * Creates the container. Resolves with undefined as soon as the run is stopped; the release then waits until the engine
 * has answered.
 */
async function create({
  engine,
  ports,
  spec,
  name,
  gateway,
  obligation,
}: ContainerRun): Promise<Docker.Container | 'image missing' | undefined> {
  const body = createOptions(spec, { run: ports.run, gateway, stop: ports.stop, podman: engine.podman });
  const creation = createContainer(engine, name, body);
  obligation.pendingUntil(creation);
  return untilAborted(ports.signal, creation, () => undefined);
}

async function runToExit(
  { engine, ports, spec, obligation }: ContainerRun,
  container: Docker.Container,
): Promise<Exit> {
  const ref: ContainerRef = {
    engine,
    container,
    stopping: ports.signal,
    released: obligation.released,
    ...(spec.memoryBytes !== undefined && { memoryBytes: spec.memoryBytes }),
  };
  const streams = await startContainer(ref, { stdin: true });
  if (streams === undefined) return {};
  try {
    ports.events.emit('container-started', { container: container.id });
    // Do not await the input: a client may keep it open long after the container has exited.
    pumpInput(ports.input, streams.socket).catch(() => ports.input.discard());
    const released = obligation.released.then(() => undefined);
    const end = await Promise.race([waitForContainer(ref, streams, ports.output), released]);
    if (end === undefined) return {};
    if ('connection' in end)
      return await adoptContainer({ engine, ports, obligation, container: container.id, stored: end.forwarded });
    const { exit, outputLost, startError } = end;
    ports.events.emit('container-exited', { container: container.id, ...exit });
    if (outputLost) obligation.reportOutputCut({ reason: 'engine' });
    if (startError !== undefined) throw new WorkFailed(`cannot start the container: ${startError}`);
    return exit;
  } finally {
    streams.close();
  }
}
