// Pipelines on a real engine, for a run that lives in memory: what they tell, print and leave behind.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDocument, type Scalar, type YAMLMap } from 'yaml';
import type { Containers } from '../../../calls/contract/containers.ts';
import type { PipelineAllowance, PipelineEnding, PipelineSpec } from '../../../calls/contract/engines.ts';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { Receipt } from '../../../protocol/record.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import { createPipelineEngine, type PipelineEngineParts } from '../../../server/pipeline/engine.ts';
import type { PipelineValue } from '../../../server/pipeline/run/events.ts';
import { createProcessEngine } from '../../../server/process/engine.ts';
import { silent } from '../../../server/support/logger.ts';
import { sharedEngine } from '../../helpers/engine.ts';
import { fakePorts, type FakeEvent, type FakePorts, type Releasers } from '../../helpers/ports.ts';
import { testEngine } from '../../docker/setup.ts';

export const nothingAllowed: PipelineAllowance = { hostJobs: false, mounts: [], hostNetwork: false, engines: [], secrets: [] };

export interface Scene {
  readonly allow?: Partial<PipelineAllowance>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
  /** Files of the workspace, by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly workspace?: PipelineSpec['workspace'];
  /** Of the pipeline's file. */
  readonly folder?: string;
  readonly stop?: FakePorts['ports']['stop'];
  /** Stands between the pipeline and the engine, to force a fault. */
  readonly between?: (containers: Containers) => Containers;
}

/** A pipeline that goes on. */
export interface Playing {
  readonly run: FakePorts;
  readonly ending: Promise<PipelineEnding>;
  /** As a run does when its body has ended. */
  release(): Promise<Receipt>;
  /** As a run does: stops it, and releases all it owes. */
  cancel(): Promise<Receipt>;
}

/** One that is over. */
export interface Played {
  readonly run: FakePorts;
  readonly ending: PipelineEnding;
  readonly value: PipelineValue;
  readonly receipt: Receipt;
  /** Facts of every event of this type, of this job. */
  told(type: string, job?: string): readonly FakeEvent['facts'][];
  /** The steps of a job, by name. */
  steps(job: string): readonly string[];
  stdout(job: string): string;
  stderr(job: string): string;
  /** The folder in which the artifacts of a run are. */
  readonly artifacts: string;
}

export interface Stage {
  readonly docker: DockerEngine;
  readonly folder: string;
  start(text: string, scene?: Scene): Promise<Playing>;
  play(text: string, scene?: Scene): Promise<Played>;
  /** Everything that any of its runs has left: containers, networks, volumes. */
  left(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const host = await sharedEngine();
  const docker = testEngine(host);
  const processes = createProcessEngine({ environment: ['PATH'], limits: { drainMs: 200 }, log: silent });
  const folder = await mkdtemp(join(tmpdir(), 'dp-'));
  let made = 0;

  const start = async (text: string, scene: Scene = {}): Promise<Playing> => {
    const parts: PipelineEngineParts = {
      containers: async (ports, options) => (scene.between ?? ((same) => same))(await docker.steps(ports, options)), process: (ports) => processes.process(ports),
      secret: async (name) => scene.secrets?.[name], environment: () => scene.environment ?? {}, limits: () => ({ ...defaultLimits, ...scene.limits }),
      folder: join(folder, 'data'), random: () => 0.5, log: silent,
    };
    const engine = createPipelineEngine(parts);
    const releasers: Releasers = { container: docker.release, network: docker.releaseNetwork, volume: docker.releaseVolume, process: processes.release, folder: engine.releaseFolder };
    const run = fakePorts({ releasers, ...(scene.stop !== undefined && { stop: scene.stop }) });
    const files = scene.files === undefined ? undefined : await write(join(folder, `files-${(made += 1)}`), scene.files);
    const spec: PipelineSpec = {
      text: withOrder(text), file: 'test.yaml', allow: { ...nothingAllowed, ...scene.allow },
      workspace: scene.workspace ?? (files === undefined ? { from: 'nowhere' } : { from: 'folder', path: files }),
      ...(scene.variables !== undefined && { variables: scene.variables }), ...(scene.folder !== undefined && { folder: scene.folder }),
    };
    const ending = engine.pipeline(run.ports)(spec);
    ending.catch(() => {});
    return {
      run, ending,
      release: () => run.releaseWith(releasers),
      cancel: async () => {
        run.abort('cancelled');
        // Begun while the body still goes on; what that opens meanwhile is released afterwards.
        const begun = run.releaseWith(releasers);
        await ending.catch(() => {});
        await begun;
        return run.releaseWith(releasers);
      },
    };
  };

  const play = async (text: string, scene: Scene = {}): Promise<Played> => {
    const { run, ending: going, release } = await start(text, scene);
    let ending: PipelineEnding;
    try {
      ending = await going;
    } catch (error) {
      await release();
      throw error;
    }
    const receipt = await release();
    return {
      run, ending, receipt, value: ending.value as unknown as PipelineValue, artifacts: join(folder, 'data', 'runs', run.ports.run, 'artifacts'),
      told: (type, job) => run.events.filter((event) => event.type === type && (job === undefined || event.facts['job'] === job)).map(({ facts }) => facts),
      steps: (job) => run.events.filter(({ type, facts }) => type === 'job-step' && facts['job'] === job).map(({ facts }) => String(facts['step'])),
      stdout: (job) => run.output.parts.get(job)?.stdout() ?? '',
      stderr: (job) => run.output.parts.get(job)?.stderr() ?? '',
    };
  };

  return {
    docker, folder, start, play,
    left: () => docker.list(),
    close: async () => {
      docker.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The language wants an order: jobs of a text that gives none start at once. */
function withOrder(text: string): string {
  if (/^\s*workflow:|\bneeds:/m.test(text)) return text;
  const document = parseDocument(text);
  for (const { key, value } of (document.contents as YAMLMap<Scalar<string>, YAMLMap>).items) if (key.value !== 'docker') value?.set('needs', document.createNode([]));
  return document.toString({ lineWidth: 0 });
}

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
