// One container from its creation to its exit code. Its end is the releaser's work; this only looks on, and goes when the run is to stop.

import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { WorkFailed, WorkLost, type ContainerSpec, type Exit } from '../../calls/contract/engines.ts';
import type { Obligation, RunPorts } from '../../calls/contract/ports.ts';
import { attach, pumpInput, pumpOutput, watchExit, type ExitWatch } from './attach.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, refused, saidBy, statusOf } from './failure.ts';
import { pull } from './image.ts';
import { createBody } from './options.ts';
import { StartFailure } from './start-failure.ts';

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
    return await begin(job, container);
  } finally {
    job.ports.input.discard();
    job.ports.output.end('stdout');
    job.ports.output.end('stderr');
  }
}

// Asked to create before it is asked for the image: when the image is there, which is nearly always, that is one request less.
async function create(job: ContainerJob): Promise<Docker.Container | undefined> {
  const { engine, ports, spec, pullMs } = job;
  const policy = spec.pull ?? 'missing';
  if (ports.signal.aborted) return undefined;
  if (policy === 'always') await pull(engine, ports, { image: spec.image, pullMs });
  else {
    const created = await createFrom(job, policy);
    if (created !== 'image missing') return created;
    await pull(engine, ports, { image: spec.image, pullMs });
  }
  if (ports.signal.aborted) return undefined;
  const created = await createFrom(job, 'never');
  return created === 'image missing' ? undefined : created;
}

async function createFrom(job: ContainerJob, policy: 'missing' | 'never'): Promise<Docker.Container | 'image missing'> {
  const { engine, ports, spec, name, gateway } = job;
  const identity = { run: ports.run, gateway, stop: ports.stop, podman: engine.podman };
  try {
    // Never aborted: the engine would go on and create it all the same, with nobody to know.
    // Told apart, or dockerode puts the environment into the address as well, where logs keep it.
    return await engine.docker.createContainer({ _query: { name }, _body: createBody(spec, identity) } as Docker.ContainerCreateOptions);
  } catch (error) {
    if (error instanceof WorkFailed) throw error;
    if (!isImageMissing(error)) throw refused('cannot create the container', error);
    if (policy === 'missing') return 'image missing';
    throw new WorkFailed(`there is no image "${spec.image}" here, and it may not be pulled (pull: never)`, { cause: error });
  }
}

function isImageMissing(error: unknown): boolean {
  return statusOf(error) === 404 && /no such image/i.test(saidBy(error));
}

async function begin(job: ContainerJob, container: Docker.Container): Promise<Exit> {
  const { engine, ports } = job;
  if (ports.signal.aborted) return {};
  let socket: Socket | undefined;
  let watch: ExitWatch | undefined;
  try {
    // Registered before the start: an exit that nobody was waiting for yet is never told.
    [socket, watch] = await Promise.all([attach(engine, container.id), watchExit(engine, container.id)]);
    if (ports.signal.aborted) return {};
    await start(container);
    ports.events.emit('container-started', { container: container.id });
    return await follow(job, container, { socket, watch });
  } catch (error) {
    if (error instanceof WorkFailed || error instanceof WorkLost) throw error;
    // The releaser may have removed the container under our hands: that is no failure of the work.
    if (ports.signal.aborted) return {};
    throw refused('cannot start the container', error);
  } finally {
    socket?.destroy();
    watch?.stop();
  }
}

async function start(container: Docker.Container): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    // No answer is no refusal: it may run.
    if (isUnreachable(error)) throw new WorkLost('the Docker engine went away while the container was being started', { cause: error });
    throw error;
  }
}

async function follow(job: ContainerJob, container: Docker.Container, open: { socket: Socket; watch: ExitWatch }): Promise<Exit> {
  const { ports } = job;
  const heard = new StartFailure(ports.output);
  const output = pumpOutput(open.socket, heard).then(() => undefined, (error: unknown) => error ?? new Error('output lost'));
  // Not awaited: a caller may keep its input open long after the container has ended.
  pumpInput(ports.input, open.socket).catch(() => ports.input.discard());
  const exitCode = await exitOf(container, open.watch, output);
  if (exitCode === undefined && !ports.signal.aborted) throw new WorkLost('the container was removed by somebody else before its exit code was seen');
  const [oomKilled] = await Promise.all([wasOomKilled(job, container, exitCode), settledOrQuiet(output, open.socket, ports)]);
  const exit = { ...(exitCode === undefined ? {} : { exitCode }), ...(oomKilled ? { oomKilled } : {}) };
  ports.events.emit('container-exited', { container: container.id, ...exit });
  // Of a run that is stopped, the releaser may have cut the stream; otherwise what came after is not in the log.
  if (!ports.signal.aborted && await Promise.race([output, undefined]) !== undefined) ports.events.emit('output-lost');
  const reason = heard.reason(exitCode);
  if (reason !== undefined) throw new WorkFailed(`cannot start the container: ${reason}`);
  return exit;
}

const lookMs = 1_000;

/** Told by the engine; or looked up, when output has ended and nothing was told, as after a lost connection. */
async function exitOf(container: Docker.Container, watch: ExitWatch, output: Promise<unknown>): Promise<number | undefined> {
  const told = watch.exitCode.catch(() => undefined);
  const code = await Promise.race([told, output.then(awhile)]);
  if (code !== undefined) return code;
  for (;;) {
    const state = await look(container);
    if (state === 'gone') return undefined;
    if (!state.Running) return state.ExitCode;
    const late = await Promise.race([told.then((value) => value ?? awhile()), awhile()]);
    if (late !== undefined) return late;
  }
}

async function awhile(): Promise<undefined> {
  await pause(lookMs, undefined, { ref: false });
}

async function look(container: Docker.Container): Promise<{ Running: boolean; ExitCode: number; OOMKilled: boolean } | 'gone'> {
  try {
    return (await container.inspect()).State;
  } catch (error) {
    if (statusOf(error) === 404) return 'gone';
    if (isUnreachable(error)) throw new WorkLost('the Docker engine went away while the container was running', { cause: error });
    throw error;
  }
}

const killedBySigkill = 137;
const oomLateMs = 2_000;
const oomLookMs = 50;

/**
 * Has to be read before the container is removed; a process killed for memory need not be the one whose exit code we have. The engine hears of
 * it apart from the exit, and may tell it later: a container with a bound that was killed by nobody we know is looked at again.
 */
async function wasOomKilled({ ports, spec }: ContainerJob, container: Docker.Container, exitCode: number | undefined): Promise<boolean> {
  const until = performance.now() + (exitCode === killedBySigkill && spec.memoryBytes !== undefined ? oomLateMs : 0);
  for (;;) {
    const state = await look(container).catch(() => 'gone' as const);
    if (state === 'gone' || state.OOMKilled) return state !== 'gone';
    if (ports.signal.aborted || performance.now() >= until) return false;
    await pause(oomLookMs);
  }
}

const quietMs = 5_000;

/** All output, for as long as it comes: engines have been seen to leave the stream of an ended container open. */
async function settledOrQuiet(output: Promise<unknown>, socket: Socket, ports: RunPorts): Promise<void> {
  let seen = -1;
  let ended = false;
  void output.then(() => { ended = true; });
  while (!ended && (socket.bytesRead !== seen || ports.output.full)) {
    seen = socket.bytesRead;
    const quiet = new AbortController();
    await Promise.race([output, pause(quietMs, undefined, { signal: quiet.signal }).catch(() => {})]);
    quiet.abort();
  }
}
