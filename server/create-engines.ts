// Wires the process, docker and pipeline engines of one gateway.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive } from '../calls/contract/containers.ts';
import type { Availability, EngineName } from '../calls/contract/engines.ts';
import { packFolder } from './archive/pack.ts';
import type { Config } from './config/config.ts';
import { readSecret } from './config/secret.ts';
import { createDockerEngine, type DockerEngine } from './docker/engine.ts';
import type { Status } from './http/deps.ts';
import type { Feature } from './http/kit/feature.ts';
import { createPipelineEngine } from './pipeline/engine.ts';
import { createProcessEngine, type ProcessEngine } from './process/engine.ts';
import type { Releasers } from './runs/cleanup.ts';
import type { UnboundEngines } from './runs/context.ts';
import type { Logger } from './support/logger.ts';

/**
 * Environment variable for tests and operators: with the value `child_process`, the gateway does not use posix_spawn.
 */
const starterVariable = 'DISTILLERY_STARTER';

export interface EnginesDeps {
  /** The configuration that the gateway was started with. */
  readonly config: Config;
  /** Returns the configuration in force. */
  readonly now: () => Config;
  /** Id of the data folder. The labels of containers contain it. */
  readonly gateway: string;
  /** Docker hosts to try after the default ones. */
  readonly candidates?: readonly string[];
  readonly log: Logger;
}

export interface GatewayEngines extends Feature {
  readonly engines: UnboundEngines;
  readonly releasers: Releasers;
  readonly docker: DockerEngine;
  readonly isWaitingForInput: ProcessEngine['isWaitingForInput'];
  availability(): Promise<Readonly<Record<EngineName, Availability>>>;
}

export function createEngines({ config, now, gateway, candidates, log }: EnginesDeps): GatewayEngines {
  const processes = createProcessEngine({
    environment: config.environment,
    limits: config.limits,
    log,
    ...(process.env[starterVariable] === 'child_process' && { starter: 'child_process' }),
  });
  const docker = createDockerEngine({
    host: config.docker.host,
    ...(candidates !== undefined && { candidates }),
    limits: config.limits,
    gateway,
    log,
  });
  const pipelines = createPipelineEngine({
    containers: (ports, options) => docker.steps(ports, options),
    process: processes.process,
    secret: (name) => readNamedSecret(name, now(), log),
    environment: () => process.env,
    limits: () => now().limits,
    folder: config.data,
    random: Math.random,
    log,
  });
  const availability = async (): Promise<Readonly<Record<EngineName, Availability>>> => {
    const container = await docker.availability();
    return { process: { available: true }, terminal: processes.terminalAvailability(), container, pipeline: container };
  };
  return {
    docker,
    isWaitingForInput: processes.isWaitingForInput,
    engines: {
      process: processes.process,
      terminal: processes.terminal,
      container: docker.container,
      pipeline: pipelines.pipeline,
    },
    releasers: {
      process: processes.release,
      cgroup: processes.releaseCgroup,
      container: docker.release,
      network: docker.releaseNetwork,
      volume: docker.releaseVolume,
      folder: pipelines.releaseFolder,
    },
    availability,
    name: 'engines',
    status: async () => ({ engines: await availability(), processes: describeProcesses(processes) }),
    close: () => docker.close(),
  };
}

function describeProcesses({ starter, whyNoLimits }: ProcessEngine): Status['processes'] {
  const reason = whyNoLimits();
  return {
    starter: starter.name,
    ...(starter.reason !== undefined && { reason: starter.reason }),
    limits: reason === undefined ? { available: true } : { available: false, reason },
  };
}

/** Returns undefined for a secret that cannot be read; the reason goes to the log only. */
async function readNamedSecret(name: string, { secrets }: Config, log: Logger): Promise<string | undefined> {
  const source = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (source === undefined) return undefined;
  try {
    return readSecret(source, process.env);
  } catch (error) {
    log.error({ secret: name, err: error }, 'a secret cannot be read');
    return undefined;
  }
}

/** Returns the artifacts of a run as an archive; undefined when there are none. */
export async function packArtifacts(data: string, run: string): Promise<Archive | undefined> {
  const folder = join(data, 'runs', run, 'artifacts');
  return (await exists(folder)) ? packFolder(folder) : undefined;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
