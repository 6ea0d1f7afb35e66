// From a container spec to what the engine is asked to create. Pure: nothing here speaks to an engine.

import type Docker from 'dockerode';
import type { HealthCheck, PublishedPort, StepSpec } from '../../calls/contract/containers.ts';
import { WorkFailed, type ContainerSpec, type StopPolicy } from '../../calls/contract/engines.ts';

/** What a container is, beside its spec. */
export interface ContainerIdentity {
  readonly run: string;
  readonly gateway: string;
  readonly stop: StopPolicy;
  /** Podman has neither an init of its own nor Docker's log drivers. */
  readonly podman: boolean;
}

export const runLabel = 'distillery.run';
export const gatewayLabel = 'distillery.gateway';
export const jobLabel = 'distillery.job';
export const cacheLabel = 'distillery.cache';

/**
 * The body of `POST /containers/create`. Throws WorkFailed for a volume that is none.
 * Source: Docker Engine API 1.41, "Create a container".
 */
export function createBody(spec: ContainerSpec, identity: ContainerIdentity): Docker.ContainerCreateOptions {
  return {
    Image: spec.image,
    ...(spec.command === undefined ? {} : { Cmd: [...spec.command] }),
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: [...spec.entrypoint] }),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
    Labels: { [runLabel]: identity.run, [gatewayLabel]: identity.gateway },
    StopSignal: identity.stop.signal,
    Tty: false,
    AttachStdin: true, AttachStdout: true, AttachStderr: true,
    // StdinOnce: without it the end of input never reaches the container, and its output is cut (moby#38457).
    OpenStdin: true, StdinOnce: true,
    HostConfig: hostConfig(spec, identity.podman),
  };
}

/**
 * The same for a step of a run made of several. It gets no input: to it, that is at its end from the beginning. Nobody goes on with it after
 * the gateway, so the engine keeps none of its output, which costs more than all the rest.
 */
export function stepBody(spec: StepSpec, identity: ContainerIdentity): Docker.ContainerCreateOptions {
  const body = createBody(spec, identity);
  const ports = spec.ports ?? [];
  return {
    ...body,
    Labels: { ...body.Labels, [jobLabel]: spec.job },
    AttachStdin: false, OpenStdin: false, StdinOnce: false,
    ...(ports.length > 0 && { ExposedPorts: Object.fromEntries(ports.map((port) => [portKey(port), {}])) }),
    // Without one of ours it is healthy while it runs, whatever its image would look at.
    Healthcheck: spec.health === undefined ? { Test: ['NONE'] } : healthCheck(spec.health),
    ...(spec.aliases !== undefined && spec.network !== undefined && {
      NetworkingConfig: { EndpointsConfig: { [spec.network]: { Aliases: [...spec.aliases] } } },
    }),
    HostConfig: {
      ...body.HostConfig,
      ...(!identity.podman && { LogConfig: { Type: 'none', Config: {} } }),
      ...(ports.length > 0 && { PortBindings: bindings(ports) }),
    },
  };
}

function portKey({ containerPort }: PublishedPort): string {
  return `${containerPort}/tcp`;
}

/** One port of a container may be reached by several of the machine. */
function bindings(ports: readonly PublishedPort[]): Docker.PortMap {
  const map: Record<string, Docker.PortBinding[]> = {};
  for (const port of ports) (map[portKey(port)] ??= []).push({ HostIp: port.hostIp, HostPort: String(port.hostPort) });
  return map;
}

const nsPerMs = 1_000_000;

function healthCheck({ command, intervalMs, timeoutMs, retries, startMs }: HealthCheck): Docker.HealthConfig {
  return {
    Test: ['CMD-SHELL', command], Retries: retries,
    Interval: intervalMs * nsPerMs, Timeout: timeoutMs * nsPerMs, StartPeriod: startMs * nsPerMs,
  };
}

function hostConfig(spec: ContainerSpec, podman: boolean): Docker.HostConfig {
  return {
    // PID 1 ignores signals it has no handler for: without an init, `sleep` would have to be killed.
    ...(podman ? {} : { Init: true, LogConfig: logConfig }),
    // Removed by us when its end has been read: the engine's own removal would take the exit code with it.
    AutoRemove: false,
    NetworkMode: spec.network ?? 'bridge',
    Mounts: (spec.volumes ?? []).map(mount),
    ...memory(spec.memoryBytes),
    ...(spec.cpus === undefined ? {} : { NanoCpus: Math.round(spec.cpus * 1e9) }),
    ...(spec.pidsMax === undefined ? {} : { PidsLimit: spec.pidsMax }),
    ...(spec.readOnly === true ? { ReadonlyRootfs: true, Tmpfs: { '/tmp': 'mode=1777' } } : {}),
  };
}

// The engine keeps the output a second time, so that a gateway that was killed can go on from the byte it had.
// `none` is fastest and cannot be read again; `local` is four times as fast as `json-file`, but loses the newline of lines
// above 16 KiB when read again, so bytes could no longer be counted. No max-size: rotation would remove the beginning.
const logConfig = { Type: 'json-file', Config: {} };

/** Swap would let the container use more than it was given. */
function memory(bytes: number | undefined): Pick<Docker.HostConfig, 'Memory' | 'MemorySwap'> {
  return bytes === undefined ? {} : { Memory: bytes, MemorySwap: bytes };
}

/** As a mount and not a bind: the engine would make a missing host path, as a folder owned by root. Throws WorkFailed for what is none. */
export function mount(volume: string): Docker.MountSettings {
  const parts = /^(?<source>[^:]+):(?<target>\/[^:]*)(?::(?<mode>ro|rw))?$/.exec(volume)?.groups;
  if (parts === undefined) throw new WorkFailed(`"${volume}" is no volume; write /host/path:/path, name:/path, or either with :ro`);
  const source = parts['source'] as string;
  return {
    Type: source.startsWith('/') ? 'bind' : 'volume',
    Source: source,
    Target: parts['target'] as string,
    ReadOnly: parts['mode'] === 'ro',
  };
}

/** An image name as `POST /images/create` wants it: without a tag it would pull every tag there is. */
export function imageReference(image: string): { readonly fromImage: string; readonly tag: string } {
  const digest = image.indexOf('@');
  if (digest >= 0) return { fromImage: image.slice(0, digest), tag: image.slice(digest + 1) };
  // A colon before the last slash belongs to the registry's port.
  const colon = image.indexOf(':', image.lastIndexOf('/') + 1);
  if (colon >= 0) return { fromImage: image.slice(0, colon), tag: image.slice(colon + 1) };
  return { fromImage: image, tag: 'latest' };
}
