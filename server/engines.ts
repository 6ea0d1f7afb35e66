// What runs can start, and how each kind of thing that they open is closed: the engines of one gateway, introduced to each other.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive } from '../calls/contract/containers.ts';
import type { Availability, EngineName } from '../calls/contract/engines.ts';
import type { Config } from './config/config.ts';
import { readSecret } from './config/secret.ts';
import { createDockerEngine, type DockerEngine } from './docker/engine.ts';
import { createPipelineEngine } from './pipeline/engine.ts';
import { createProcessEngine, type ProcessEngine } from './process/engine.ts';
import type { Releasers } from './runs/cleanup.ts';
import type { UnboundEngines } from './runs/context.ts';
import { packFolder } from './support/archive/pack.ts';
import type { Logger } from './support/logger.ts';

export interface EnginesParts {
  /** As the gateway was started with. */
  readonly config: Config;
  /** In force now. */
  readonly now: () => Config;
  /** The id of the data folder. */
  readonly gateway: string;
  /** Engine addresses to try after the usual ones. */
  readonly candidates?: readonly string[];
  readonly log: Logger;
}

export interface GatewayEngines {
  readonly engines: UnboundEngines;
  readonly releasers: Releasers;
  readonly docker: DockerEngine;
  readonly awaitsInput: ProcessEngine['awaitsInput'];
  availability(): Promise<Readonly<Record<EngineName, Availability>>>;
}

export function createEngines({ config, now, gateway, candidates, log }: EnginesParts): GatewayEngines {
  const processes = createProcessEngine({ environment: config.environment, limits: config.limits, log });
  const docker = createDockerEngine({ host: config.docker.host, ...(candidates !== undefined && { candidates }), limits: config.limits, gateway, log });
  const pipelines = createPipelineEngine({
    containers: (ports, options) => docker.steps(ports, options), process: processes.process,
    secret: (name) => secretOf(name, now(), log), environment: () => process.env, limits: () => now().limits, folder: config.data, random: Math.random, log,
  });
  return {
    docker, awaitsInput: processes.awaitsInput,
    engines: { process: processes.process, terminal: processes.terminal, container: docker.container, pipeline: pipelines.pipeline },
    releasers: {
      process: processes.release, container: docker.release, network: docker.releaseNetwork, volume: docker.releaseVolume, folder: pipelines.releaseFolder,
    },
    availability: async () => {
      const container = await docker.availability();
      return { process: { available: true }, terminal: { available: true }, container, pipeline: container };
    },
  };
}

/** Whoever asks is told that there is none; why is for the operator. */
async function secretOf(name: string, { secrets }: Config, log: Logger): Promise<string | undefined> {
  const source = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (source === undefined) return undefined;
  try {
    return readSecret(source, process.env);
  } catch (error) {
    log.error({ secret: name, err: error }, 'a secret cannot be read');
    return undefined;
  }
}

/** What a run has kept, as an archive; undefined when it has kept nothing. */
export async function artifactsOf(data: string, run: string): Promise<Archive | undefined> {
  const folder = join(data, 'runs', run, 'artifacts');
  return await isThere(folder) ? packFolder(folder) : undefined;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
