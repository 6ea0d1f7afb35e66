// Converts a container spec to the options for creating it. Pure.

import type Docker from 'dockerode';
import type { PublishedPort, StepSpec } from '../../calls/contract/containers.ts';
import { type ContainerSpec, type StopPolicy, WorkFailed } from '../../calls/contract/engines.ts';
import { quote } from '../../calls/text/quote.ts';

/**
 * Checks the name of an image, which may contain params and matrix values. Throws WorkFailed for a name that no image
 * can have, because the answer of the engine would not name the cause.
 */
function checkImage(image: string): string {
  if (image.trim() === '') throw new WorkFailed('the name of the image is empty');
  if (/\s/.test(image)) throw new WorkFailed(`the name of the image has white space: ${quote(image)}`);
  return image;
}

/** Properties of a container that its spec does not contain. */
export interface ContainerIdentity {
  readonly run: string;
  readonly gateway: string;
  readonly stop: StopPolicy;
  /** True for Podman, which has none of Docker's log drivers. */
  readonly podman: boolean;
}

export const runLabel = 'distillery.run';
export const gatewayLabel = 'distillery.gateway';
const jobLabel = 'distillery.job';
export const cacheLabel = 'distillery.cache';

/**
 * Makes Docker's init pass each signal to the whole process group of the command, and not only to the command. A shell
 * that waits for its foreground process could not handle the signal otherwise.
 *
 * Source: tini 0.19, "Process group killing".
 */
const initEnv = { TINI_KILL_PROCESS_GROUP: '1' };

/**
 * Returns the body of `POST /containers/create`. Throws WorkFailed for an invalid image name or volume.
 *
 * Source: Docker Engine API 1.41, "Create a container".
 */
export function createOptions(spec: ContainerSpec, identity: ContainerIdentity): Docker.ContainerCreateOptions {
  return {
    Image: checkImage(spec.image),
    ...(spec.command === undefined ? {} : { Cmd: [...spec.command] }),
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: [...spec.entrypoint] }),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    Env: Object.entries({ ...initEnv, ...spec.env }).map(([name, value]) => `${name}=${value}`),
    Labels: { [runLabel]: identity.run, [gatewayLabel]: identity.gateway },
    StopSignal: identity.stop.signal,
    Tty: false,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    // Without StdinOnce, the end of input never reaches the container, and its output is cut (moby#38457).
    OpenStdin: true,
    StdinOnce: true,
    HostConfig: hostConfig(spec, identity.podman),
  };
}

/**
 * Returns the body for one of several containers of a run. Such a container has no input and is never adopted. The
 * engine therefore stores none of its output, because storing the output would cost most.
 */
export function stepCreateOptions(spec: StepSpec, identity: ContainerIdentity): Docker.ContainerCreateOptions {
  const body = createOptions(spec, identity);
  const ports = spec.ports ?? [];
  return {
    ...body,
    Labels: { ...body.Labels, [jobLabel]: spec.job },
    AttachStdin: false,
    OpenStdin: false,
    StdinOnce: false,
    ...(ports.length > 0 && { ExposedPorts: Object.fromEntries(ports.map((port) => [portKey(port), {}])) }),
    // Disables the health check of the image, because the gateway does not use its result.
    Healthcheck: { Test: ['NONE'] },
    ...(spec.aliases !== undefined &&
      spec.network !== undefined && {
        NetworkingConfig: { EndpointsConfig: { [spec.network]: { Aliases: [...spec.aliases] } } },
      }),
    HostConfig: {
      ...body.HostConfig,
      ...(!identity.podman && { LogConfig: { Type: 'none', Config: {} } }),
      ...(ports.length > 0 && { PortBindings: portBindings(ports) }),
    },
  };
}

function portKey({ containerPort }: PublishedPort): string {
  return `${containerPort}/tcp`;
}

/** Groups ports by container port, because several host ports may lead to one of them. */
function portBindings(ports: readonly PublishedPort[]): Docker.PortMap {
  const map: Record<string, Docker.PortBinding[]> = {};
  for (const port of ports) (map[portKey(port)] ??= []).push({ HostIp: port.hostIp, HostPort: String(port.hostPort) });
  return map;
}

function hostConfig(spec: ContainerSpec, podman: boolean): Docker.HostConfig {
  return {
    // PID 1 ignores signals without a handler. Without an init, even `sleep` would have to be killed.
    Init: true,
    ...(podman ? {} : { LogConfig: logConfig }),
    // The gateway removes the container after reading its exit code. Automatic removal would delete the code.
    AutoRemove: false,
    NetworkMode: spec.network ?? 'bridge',
    Mounts: (spec.volumes ?? []).map(parseVolume),
    ...memoryLimits(spec.memoryBytes),
    ...(spec.cpus === undefined ? {} : { NanoCpus: Math.round(spec.cpus * 1e9) }),
    ...(spec.pidsMax === undefined ? {} : { PidsLimit: spec.pidsMax }),
    ...(spec.readOnly === true ? { ReadonlyRootfs: true, Tmpfs: { '/tmp': 'mode=1777' } } : {}),
  };
}

// The engine stores the output a second time, so that a later gateway can resume at the last stored byte. The driver
// `none` is fastest, but the gateway cannot read its output again. `local` is four times as fast as `json-file`, but it
// returns lines above 16 KiB without their newline, which shifts the position of the last stored byte. With max-size,
// the engine deletes the oldest output.
const logConfig = { Type: 'json-file', Config: {} };

/** Sets the memory limit and the same limit with swap. Otherwise the container could use more than its limit. */
function memoryLimits(bytes: number | undefined): Pick<Docker.HostConfig, 'Memory' | 'MemorySwap'> {
  return bytes === undefined ? {} : { Memory: bytes, MemorySwap: bytes };
}

/**
 * Returns a mount instead of a bind. For a bind, the engine would create a missing host path as a folder that root
 * owns. Throws WorkFailed for an invalid volume.
 */
export function parseVolume(volume: string): Docker.MountSettings {
  const parts = /^(?<source>[^:]+):(?<target>\/[^:]*)(?::(?<mode>ro|rw))?$/.exec(volume)?.groups;
  if (parts === undefined)
    throw new WorkFailed(`"${volume}" is not a valid volume; write /host/path:/path, name:/path, or either with :ro`);
  const source = parts['source'] as string;
  return {
    Type: source.startsWith('/') ? 'bind' : 'volume',
    Source: source,
    Target: parts['target'] as string,
    ReadOnly: parts['mode'] === 'ro',
  };
}

/**
 * Splits the name of an image for `POST /images/create`. Without a tag the engine would pull every tag, so `latest` is
 * the default.
 */
export function parseImageReference(image: string): { readonly fromImage: string; readonly tag: string } {
  const digest = image.indexOf('@');
  if (digest >= 0) return { fromImage: image.slice(0, digest), tag: image.slice(digest + 1) };
  // A colon before the last slash belongs to the port of the registry.
  const colon = image.indexOf(':', image.lastIndexOf('/') + 1);
  if (colon >= 0) return { fromImage: image.slice(0, colon), tag: image.slice(colon + 1) };
  return { fromImage: image, tag: 'latest' };
}
