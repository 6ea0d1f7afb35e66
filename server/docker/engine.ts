// The container engine behind the contract: finds a Docker engine, runs containers for runs, and takes them away again.

import type { Containers } from '../../calls/contract/containers.ts';
import { WorkFailed, WorkLost, type Availability, type ContainerSpec, type Exit } from '../../calls/contract/engines.ts';
import type { ObligationEntry, Releaser, RunPorts } from '../../calls/contract/ports.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { Logger } from '../support/logger.ts';
import { adoptContainer, lookFor, type SourceBytes } from './adopt.ts';
import { releaseBelonging, type BelongingKind } from './belongings.ts';
import { connect, connectFirst, usualHosts, type Connection, type Unreachable } from './connect.ts';
import { runContainer } from './container.ts';
import { RunContainers } from './containers.ts';
import { Images } from './images.ts';
import { gatewayLabel, runLabel } from './options.ts';
import { releaseContainer, unanswered } from './release.ts';

export interface DockerEngineOptions {
  /** `unix://…`, `tcp://…`, or `auto`: DOCKER_HOST, then the usual sockets, then `candidates`. */
  readonly host: string;
  readonly candidates?: readonly string[];
  readonly limits: Pick<Limits, 'pullMs' | 'releaseMs'>;
  /** Tells this gateway's containers from those of others on the same engine: the id of its data folder. */
  readonly gateway: string;
  readonly log: Logger;
}

export interface DockerEngine {
  /** Asks the engine, at most every two seconds. Never throws. */
  availability(): Promise<Availability>;
  /** Starts containers for one run. Each obligation is journaled before anything is created. */
  container(ports: RunPorts): (spec: ContainerSpec) => Promise<Exit>;
  /**
   * Containers step by step for one run, on another engine than the usual one when `host` names it. What is made by it is an obligation of
   * kind `container`, `network` or `volume`. Throws WorkFailed when that engine does not answer.
   */
  steps(ports: RunPorts, options?: { readonly host?: string }): Promise<Containers>;
  /** Whether the container of an obligation ran, or runs. Never throws. */
  ran(entry: ObligationEntry): Promise<boolean>;
  /**
   * Sees a container to its end that an earlier gateway started: its output goes on behind `stored` bytes of each stream, as far as the engine has it,
   * and the event `output-lost` is told where it has not. Throws WorkLost when its end cannot be known.
   */
  adopt(ports: RunPorts, entry: ObligationEntry, stored: SourceBytes): Promise<Exit>;
  /** Of obligations of kind `container`. */
  readonly release: Releaser;
  /** Of obligations of kind `network`. */
  readonly releaseNetwork: Releaser;
  /** Of obligations of kind `volume`. */
  readonly releaseVolume: Releaser;
  /** What there is of the runs of this gateway: ids of containers, running or not, and of networks, and names of volumes. Throws when there is no engine. */
  list(): Promise<string[]>;
  /** Drops every connection. Containers go on. Safe twice. */
  close(): void;
}

const freshMs = 2_000;

export function createDockerEngine(options: DockerEngineOptions): DockerEngine {
  const link = new EngineLink(options);
  const images = new Images(options.limits.pullMs);
  const releaserOf = (kind: BelongingKind): Releaser => async (entry, manner) => {
    const engine = await engineOf(entry, link);
    if ('why' in engine) return unanswered(entry);
    return releaseBelonging(kind, engine, { entry, manner: { ...manner, releaseMs: options.limits.releaseMs } });
  };
  return {
    availability: async () => {
      const found = await link.find();
      // Where the engine was looked for is for the log, not for whoever asks.
      return 'why' in found ? { available: false, reason: noEngine } : { available: true };
    },
    container: (ports) => containersOf(ports, { link, gateway: options.gateway, pullMs: options.limits.pullMs }),
    steps: async (ports, { host } = {}) => {
      const engine = await (host === undefined ? link.find() : link.fresh(host));
      // Whoever names an engine knows where it is; where the usual one was looked for is for the operator.
      if ('why' in engine) throw new WorkFailed(host === undefined ? noEngine : `no Docker engine answers: ${engine.why}`);
      return new RunContainers({ engine, ports, gateway: options.gateway, images });
    },
    ran: async (entry) => {
      const engine = await engineOf(entry, link);
      return !('why' in engine) && (await lookFor(engine, idOf(entry))) === 'adoptable';
    },
    adopt: async (ports, entry, stored) => {
      const engine = await engineOf(entry, link);
      // The same obligation, which is in the journal already.
      const owed = ports.owe('container', entry.id, entry.facts);
      if ('why' in engine) throw new WorkLost('the Docker engine went away before the container was seen again');
      const flow = adoptContainer({ engine, ports, container: idOf(entry), stored });
      owed.during(flow);
      return flow;
    },
    release: async (entry, manner) => {
      const engine = await engineOf(entry, link);
      if ('why' in engine) return unanswered(entry);
      return releaseContainer(engine, entry, { ...manner, releaseMs: options.limits.releaseMs });
    },
    releaseNetwork: releaserOf('network'),
    releaseVolume: releaserOf('volume'),
    list: () => list(link, options.gateway),
    close: () => link.close(),
  };
}

function engineOf({ facts: { host } }: ObligationEntry, link: EngineLink): Promise<Connection | Unreachable> {
  return link.at(typeof host === 'string' ? host : undefined);
}

/** The engine's own id of a container; by its name it is found as well. */
function idOf({ id, facts: { container } }: ObligationEntry): string {
  return typeof container === 'string' ? container : id;
}

interface Making {
  readonly link: EngineLink;
  readonly gateway: string;
  readonly pullMs: number;
}

function containersOf(ports: RunPorts, { link, gateway, pullMs }: Making): (spec: ContainerSpec) => Promise<Exit> {
  let made = 0;
  return async (spec) => {
    const engine = await link.find();
    // Where it was looked for is for the operator (availability, log), not for callers.
    if ('why' in engine) throw new WorkFailed(noEngine);
    if (ports.signal.aborted) return {};
    made += 1;
    const name = made === 1 ? `distillery-${ports.run}` : `distillery-${ports.run}-${made}`;
    const owed = ports.owe('container', name, { host: engine.host });
    const flow = runContainer({ engine, ports, spec, name, gateway, owed, pullMs });
    owed.during(flow);
    return flow;
  };
}

async function list(link: EngineLink, gateway: string): Promise<string[]> {
  const engine = await link.find();
  if ('why' in engine) throw new Error(engine.why);
  const filters = { label: [`${gatewayLabel}=${gateway}`, runLabel] };
  const [containers, networks, { Volumes }] = await Promise.all([
    engine.docker.listContainers({ all: true, filters }), engine.docker.listNetworks({ filters }), engine.docker.listVolumes({ filters }),
  ]);
  return [...[...containers, ...networks].map(({ Id }) => Id), ...Volumes.map(({ Name }) => Name)];
}

/** The connections of one gateway: the one it starts containers on, and those to engines it used before. */
class EngineLink {
  readonly #options: DockerEngineOptions;
  readonly #open = new Map<string, Connection>();
  #found: Promise<Connection | Unreachable> | undefined;
  #askedAt = -Infinity;
  #told: string | undefined;

  constructor(options: DockerEngineOptions) {
    this.#options = options;
  }

  /** The engine to start containers on, asked anew when the last answer is not fresh. */
  find(): Promise<Connection | Unreachable> {
    if (this.#found === undefined || performance.now() - this.#askedAt > freshMs) {
      this.#askedAt = performance.now();
      this.#found = this.#ask();
    }
    return this.#found;
  }

  /** The engine a container was started on; that of today when it is not known. */
  async at(host: string | undefined): Promise<Connection | Unreachable> {
    if (host === undefined) return this.find();
    return this.#open.get(host) ?? this.#keep(await connect(host));
  }

  /** As `at`, and asked now. */
  async fresh(host: string): Promise<Connection | Unreachable> {
    return this.#keep(await connect(host));
  }

  close(): void {
    for (const connection of this.#open.values()) connection.close();
    this.#open.clear();
    this.#found = undefined;
  }

  async #ask(): Promise<Connection | Unreachable> {
    const { host, candidates } = this.#options;
    const hosts = host === 'auto' ? [...new Set(usualHosts(process.env, candidates ?? []))] : [host];
    const reached = this.#keep(await connectFirst(hosts));
    this.#tell('why' in reached ? reached.why : `engine at ${reached.host}`);
    return reached;
  }

  /** One connection per address: a new answer of the same engine must not drop what runs on the old one. */
  #keep(reached: Connection | Unreachable): Connection | Unreachable {
    if ('why' in reached) return reached;
    const open = this.#open.get(reached.host);
    if (open === undefined) this.#open.set(reached.host, reached);
    else reached.close();
    return open ?? reached;
  }

  #tell(words: string): void {
    if (words === this.#told) return;
    this.#told = words;
    this.#options.log.info({ docker: words }, 'docker');
  }
}

const noEngine = 'no Docker engine answers: start one, or name it in distillery.yaml as docker.host';
