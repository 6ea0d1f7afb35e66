// Container engine: finds a Docker engine, runs containers for runs, and releases them.

import type { Containers } from '../../calls/contract/containers.ts';
import { type Availability, type ContainerSpec, type Exit, WorkFailed } from '../../calls/contract/engines.ts';
import type { ObligationEntry, Releaser, RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import { delay } from '../support/delay.ts';
import type { Logger } from '../support/logger.ts';
import { untilAborted } from '../support/until-aborted.ts';
import { type Adoption, adoptContainer, inspectForAdoption } from './adopt.ts';
import {
  type Connection,
  connect,
  connectFirst,
  defaultHosts,
  type UnreachableEngine,
  unavailableReason,
} from './connect.ts';
import { gatewayLabel, runLabel } from './create-options.ts';
import { ImageCache } from './images/image-cache.ts';
import { kernelLog } from './memory/kernel-log.ts';
import { type ResourceKind, releaseResource } from './networks-and-volumes.ts';
import { engineUnreachable, releaseContainer } from './release.ts';
import { runContainer } from './run-container.ts';
import { RunContainers } from './run-containers.ts';
import { runStopping } from './run-stopping.ts';
import type { SourceBytes } from './streams.ts';

export interface DockerEngineOptions {
  /** `unix://…`, `tcp://…` or `auto`. `auto` tries DOCKER_HOST, the default sockets and `candidates`, in this order. */
  readonly host: string;
  readonly candidates?: readonly string[];
  readonly limits: Pick<Limits, 'pullMs' | 'releaseMs'>;
  /**
   * Id of the data folder. As a label, this id separates the containers of this gateway from those of other gateways on
   * the same engine.
   */
  readonly gateway: string;
  readonly log: Logger;
}

export interface DockerEngine {
  /** Returns whether an engine answers. Checks the engine at most every two seconds. Never rejects. */
  availability(): Promise<Availability>;
  /**
   * Returns a function that runs a container for the run. The obligation of each container is journaled before the
   * container is created.
   */
  container(ports: RunPorts): (spec: ContainerSpec) => Promise<Exit>;
  /**
   * Returns an API for the individual containers of a run, on the engine at `host` if given. Containers, networks and
   * volumes that the API creates are obligations. Rejects with WorkFailed when the engine does not answer.
   */
  steps(ports: RunPorts, options?: { readonly host?: string }): Promise<Containers>;
  /**
   * True if the container of an obligation runs or has run. Also true if its engine does not answer: then `adopt` waits
   * for the engine. Never rejects.
   */
  canAdopt(entry: ObligationEntry): Promise<boolean>;
  /**
   * Waits for the exit of a container that an earlier gateway started. Its output continues after `stored` bytes of
   * each stream; the event `output-lost` and the receipt report output that the engine no longer has. Rejects with
   * WorkLost when the exit code cannot be determined.
   */
  adopt(ports: RunPorts, entry: ObligationEntry, stored: SourceBytes): Promise<Exit>;
  /** Releases obligations of kind `container`. */
  readonly release: Releaser;
  /** Releases obligations of kind `network`. */
  readonly releaseNetwork: Releaser;
  /** Releases obligations of kind `volume`. */
  readonly releaseVolume: Releaser;
  /**
   * Lists everything that belongs to runs of this gateway: ids of containers (running or not) and networks, names of
   * volumes. Rejects when no engine answers.
   */
  listResources(): Promise<string[]>;
  /** Closes all connections. Containers keep running. Idempotent. */
  close(): void;
}

const checkIntervalMs = 2_000;

export function createDockerEngine(options: DockerEngineOptions): DockerEngine {
  const connections = new ConnectionCache(options);
  const images = new ImageCache(options.limits.pullMs);
  kernelLog.open();
  const resourceReleaser =
    (kind: ResourceKind): Releaser =>
    async (entry, releaseOptions) => {
      const engine = await connectionFor(entry, connections);
      if ('why' in engine) return engineUnreachable(entry);
      return releaseResource(kind, engine, {
        entry,
        options: { ...releaseOptions, releaseMs: options.limits.releaseMs },
      });
    };
  return {
    availability: async () => {
      const engine = await connections.current();
      // Callers do not need the addresses that were tried; the log has them.
      return 'why' in engine ? { available: false, reason: unavailableReason(engine) } : { available: true };
    },
    container: (ports) =>
      containerStarter(ports, { connections, gateway: options.gateway, pullMs: options.limits.pullMs }),
    steps: async (ports, { host } = {}) => {
      const connecting = host === undefined ? connections.current() : connections.reconnect(host);
      const engine = await untilAborted(ports.signal, connecting, () => Promise.reject(runStopping('use the engine')));
      // A caller that named an engine may see its address. Only the operator may see the addresses of the default
      // engine.
      if ('why' in engine)
        throw new WorkFailed(
          host === undefined ? unavailableReason(engine) : `no Docker engine answers: ${engine.why}`,
        );
      return new RunContainers({ engine, ports, gateway: options.gateway, images });
    },
    canAdopt: async (entry) => {
      const engine = await connectionFor(entry, connections);
      if ('why' in engine) return true;
      const state = await inspectForAdoption(engine, containerId(entry));
      return state === 'adoptable' || state === 'unreachable';
    },
    adopt: (ports, entry, stored) => {
      // Opens the obligation that is already in the journal.
      const obligation = ports.openObligation('container', entry.id, entry.facts);
      const exit = adoptWhenConnected(connections, { ports, obligation, entry, stored });
      obligation.pendingUntil(exit);
      return exit;
    },
    release: async (entry, releaseOptions) => {
      const engine = await connectionFor(entry, connections);
      if ('why' in engine) return engineUnreachable(entry);
      return releaseContainer(engine, entry, { ...releaseOptions, releaseMs: options.limits.releaseMs });
    },
    releaseNetwork: resourceReleaser('network'),
    releaseVolume: resourceReleaser('volume'),
    listResources: () => listByLabel(connections, options.gateway),
    close: () => connections.close(),
  };
}

/** Resolves with `{}` if the run is stopped before the engine answers. */
async function adoptWhenConnected(
  connections: ConnectionCache,
  { entry, ...adoption }: Pick<Adoption, 'ports' | 'obligation' | 'stored'> & { readonly entry: ObligationEntry },
): Promise<Exit> {
  const { ports } = adoption;
  for (let isLost = false; !ports.signal.aborted; ) {
    const engine = await untilAborted(ports.signal, connectionFor(entry, connections), () => undefined);
    if (engine === undefined) break;
    if (!('why' in engine)) return adoptContainer({ engine, ...adoption, container: containerId(entry) });
    if (!isLost) ports.events.emit('engine-lost', { container: containerId(entry) });
    isLost = true;
    await delay(checkIntervalMs, { signal: ports.signal });
  }
  return {};
}

function connectionFor(
  { facts: { host } }: ObligationEntry,
  connections: ConnectionCache,
): Promise<Connection | UnreachableEngine> {
  return connections.forHost(typeof host === 'string' ? host : undefined);
}

/** Returns the id of the container, or its name, which the engine also accepts. */
function containerId({ id, facts: { container } }: ObligationEntry): string {
  return typeof container === 'string' ? container : id;
}

interface ContainerStartDeps {
  readonly connections: ConnectionCache;
  readonly gateway: string;
  readonly pullMs: number;
}

function containerStarter(
  ports: RunPorts,
  { connections, gateway, pullMs }: ContainerStartDeps,
): (spec: ContainerSpec) => Promise<Exit> {
  let count = 0;
  return async (spec) => {
    const engine = await untilAborted(ports.signal, connections.current(), () => undefined);
    if (engine === undefined || ports.signal.aborted) return {};
    // Only the operator may see the addresses that were tried (status, log).
    if ('why' in engine) throw new WorkFailed(unavailableReason(engine));
    count += 1;
    const name = count === 1 ? `distillery-${ports.run}` : `distillery-${ports.run}-${count}`;
    const obligation = ports.openObligation('container', name, { host: engine.host });
    const exit = runContainer({ engine, ports, spec, name, gateway, obligation, pullMs });
    obligation.pendingUntil(exit);
    return exit;
  };
}

async function listByLabel(connections: ConnectionCache, gateway: string): Promise<string[]> {
  const engine = await connections.current();
  if ('why' in engine) throw new Error(engine.why);
  const filters = { label: [`${gatewayLabel}=${gateway}`, runLabel] };
  const [containers, networks, { Volumes }] = await Promise.all([
    engine.docker.listContainers({ all: true, filters }),
    engine.docker.listNetworks({ filters }),
    engine.docker.listVolumes({ filters }),
  ]);
  return [...[...containers, ...networks].map(({ Id }) => Id), ...Volumes.map(({ Name }) => Name)];
}

/** Connections to the current engine and to engines that were used before. */
class ConnectionCache {
  readonly #options: DockerEngineOptions;
  readonly #connections = new Map<string, Connection>();
  #current: Promise<Connection | UnreachableEngine> | undefined;
  #checkedAt = -Infinity;
  #lastLogged: string | undefined;

  constructor(options: DockerEngineOptions) {
    this.#options = options;
  }

  /** Returns the engine for new containers. Checks the engine again when the last check is too old. */
  current(): Promise<Connection | UnreachableEngine> {
    if (this.#current === undefined || performance.now() - this.#checkedAt > checkIntervalMs) {
      this.#checkedAt = performance.now();
      this.#current = this.#findEngine();
    }
    return this.#current;
  }

  /**
   * Returns the engine at `host`, or the current engine if `host` is undefined. Does not check an engine that is
   * already connected.
   */
  async forHost(host: string | undefined): Promise<Connection | UnreachableEngine> {
    if (host === undefined) return this.current();
    return this.#connections.get(host) ?? this.#store(await connect(host));
  }

  /** Returns the engine at `host` after a new check. */
  async reconnect(host: string): Promise<Connection | UnreachableEngine> {
    return this.#store(await connect(host));
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.#current = undefined;
  }

  async #findEngine(): Promise<Connection | UnreachableEngine> {
    const { host, candidates } = this.#options;
    const hosts = host === 'auto' ? [...new Set(defaultHosts(process.env, candidates ?? []))] : [host];
    const reached = this.#store(await connectFirst(hosts));
    this.#logChange('why' in reached ? reached.why : `using engine ${reached.host}`);
    return reached;
  }

  /** Keeps one connection per address: a new check of the same engine must not close pending requests. */
  #store(reached: Connection | UnreachableEngine): Connection | UnreachableEngine {
    if ('why' in reached) return reached;
    const open = this.#connections.get(reached.host);
    if (open === undefined) this.#connections.set(reached.host, reached);
    else reached.close();
    return open ?? reached;
  }

  #logChange(text: string): void {
    if (text === this.#lastLogged) return;
    this.#lastLogged = text;
    this.#options.log.info({ docker: text }, 'state of the Docker engine');
  }
}
