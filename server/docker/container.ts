// The container of a call, from its creation to its exit code. Its end is the releaser's work; this only looks on, and goes when the run is to stop.

import type Docker from 'dockerode';
import { WorkFailed, type ContainerSpec, type Exit } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { pumpInput } from './attach.ts';
import { beginContainer, createContainer, type Life } from './begin.ts';
import type { Connection } from './connect.ts';
import { followContainer } from './follow.ts';
import { pull } from './image.ts';
import { createBody } from './options.ts';

export interface ContainerJob {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly spec: ContainerSpec;
  readonly name: string;
  readonly gateway: string;
  readonly owed: Obligation;
  readonly pullMs: number;
}

/** How the container ended, `{}` when it never began because the run is to stop. Throws WorkFailed when it cannot begin, WorkLost when it is lost sight of. */
export async function runContainer(job: ContainerJob): Promise<Exit> {
  try {
    const container = await create(job);
    if (container === undefined) return {};
    job.owed.learn({ container: container.id });
    job.ports.events.emit('container-created', { container: container.id, name: job.name, image: job.spec.image });
    return await live(job, container);
  } finally {
    job.ports.input.discard();
    job.ports.output.end('stdout');
    job.ports.output.end('stderr');
  }
}

// Asked to create before it is asked for the image: when the image is there, which is nearly always, that is one request less.
async function create({ engine, ports, spec, name, gateway, pullMs }: ContainerJob): Promise<Docker.Container | undefined> {
  const policy = spec.pull ?? 'missing';
  const body = createBody(spec, { run: ports.run, gateway, stop: ports.stop, podman: engine.podman });
  if (ports.signal.aborted) return undefined;
  if (policy !== 'always') {
    const created = await createContainer(engine, name, body);
    if (created !== 'image missing') return created;
    if (policy === 'never') throw new WorkFailed(`there is no image "${spec.image}" here, and it may not be pulled (pull: never)`);
  }
  await pull(engine, ports, { image: spec.image, pullMs });
  if (ports.signal.aborted) return undefined;
  const created = await createContainer(engine, name, body);
  if (created === 'image missing') throw new WorkFailed(`there is no image "${spec.image}" here any more, though it was pulled`);
  return created;
}

async function live({ engine, ports, spec }: ContainerJob, container: Docker.Container): Promise<Exit> {
  const over = (): boolean => ports.signal.aborted;
  const life: Life = { engine, container, over, ...(spec.memoryBytes !== undefined && { memoryBytes: spec.memoryBytes }) };
  const open = await beginContainer(life, { stdin: true });
  if (open === undefined) return {};
  try {
    ports.events.emit('container-started', { container: container.id });
    // Not awaited: a caller may keep its input open long after the container has ended.
    pumpInput(ports.input, open.socket).catch(() => ports.input.discard());
    const { exit, outputLost, startFailure } = await followContainer(life, open, ports.output);
    ports.events.emit('container-exited', { container: container.id, ...exit });
    if (outputLost) ports.events.emit('output-lost');
    if (startFailure !== undefined) throw new WorkFailed(`cannot start the container: ${startFailure}`);
    return exit;
  } finally {
    open.close();
  }
}
