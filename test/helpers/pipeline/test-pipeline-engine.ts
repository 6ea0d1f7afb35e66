// Runs pipelines on a real engine for a run in memory, and collects events, output and leftovers.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDocument, type Scalar, type YAMLMap } from 'yaml';
import type { Containers } from '../../../calls/contract/containers.ts';
import type { PipelinePermissions, PipelineResult, PipelineSpec } from '../../../calls/contract/engines.ts';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { Receipt } from '../../../protocol/run-record.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import { createPipelineEngine, type PipelineEngineDeps } from '../../../server/pipeline/engine.ts';
import type { PipelineValue } from '../../../server/pipeline/run/events/events.ts';
import { createProcessEngine } from '../../../server/process/engine.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import { sharedEngineHost } from '../docker/shared-engine.ts';
import { createTestEngine } from '../docker/test-engine.ts';
import { type FakeEvent, type FakePorts, fakePorts, type Releasers } from '../runs/fake-run-ports.ts';

export const noPermissions: PipelinePermissions = {
  hostJobs: false,
  mounts: [],
  hostNetwork: false,
  engines: [],
  secrets: [],
};

export interface PipelineOptions {
  readonly allow?: Partial<PipelinePermissions>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
  /** Files of the workspace, by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly workspace?: PipelineSpec['workspace'];
  /** Folder of the pipeline file. */
  readonly folder?: string;
  readonly stop?: FakePorts['ports']['stop'];
  /** Wraps the container engine, so that a test can cause errors. */
  readonly wrapContainers?: (containers: Containers) => Containers;
}

/** A running pipeline. */
export interface StartedPipeline {
  readonly run: FakePorts;
  readonly result: Promise<PipelineResult>;
  /** Releases all obligations, as a run does when its body has ended. */
  release(): Promise<Receipt>;
  /** Stops the pipeline and releases all obligations, as a cancelled run does. */
  cancel(): Promise<Receipt>;
}

/** An ended pipeline. */
export interface FinishedPipeline {
  readonly run: FakePorts;
  readonly ending: PipelineResult;
  readonly value: PipelineValue;
  readonly receipt: Receipt;
  /** Returns the fields of every event of this type and job. */
  events(type: string, job?: string): readonly FakeEvent['facts'][];
  /** Returns the names of the steps of a job. */
  steps(job: string): readonly string[];
  stdout(job: string): string;
  stderr(job: string): string;
  /** Folder of the run's artifacts. */
  readonly artifacts: string;
}

export interface TestPipelineEngine {
  readonly docker: DockerEngine;
  readonly folder: string;
  start(text: string, options?: PipelineOptions): Promise<StartedPipeline>;
  run(text: string, options?: PipelineOptions): Promise<FinishedPipeline>;
  /** Returns the containers, networks and volumes that any run has left. */
  leftovers(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openTestPipelineEngine(): Promise<TestPipelineEngine> {
  const host = await sharedEngineHost();
  const docker = createTestEngine(host);
  const processes = createProcessEngine({ environment: ['PATH'], limits: defaultLimits, log: nullLogger });
  const folder = await mkdtemp(join(tmpdir(), 'dp-'));
  let count = 0;

  const start = async (text: string, options: PipelineOptions = {}): Promise<StartedPipeline> => {
    const deps: PipelineEngineDeps = {
      containers: async (ports, engineOptions) =>
        (options.wrapContainers ?? ((same) => same))(await docker.steps(ports, engineOptions)),
      process: (ports) => processes.process(ports),
      secret: async (name) => options.secrets?.[name],
      environment: () => options.environment ?? {},
      limits: () => ({ ...defaultLimits, ...options.limits }),
      folder: join(folder, 'data'),
      random: () => 0.5,
      log: nullLogger,
    };
    const engine = createPipelineEngine(deps);
    const releasers: Releasers = {
      container: docker.release,
      network: docker.releaseNetwork,
      volume: docker.releaseVolume,
      process: processes.release,
      folder: engine.releaseFolder,
    };
    const run = fakePorts({ releasers, ...(options.stop !== undefined && { stop: options.stop }) });
    const files =
      options.files === undefined ? undefined : await writeFiles(join(folder, `files-${(count += 1)}`), options.files);
    const spec: PipelineSpec = {
      text: withExplicitOrder(text),
      file: 'test.yaml',
      allow: { ...noPermissions, ...options.allow },
      workspace: options.workspace ?? (files === undefined ? { from: 'nowhere' } : { from: 'folder', path: files }),
      ...(options.variables !== undefined && { variables: options.variables }),
      ...(options.folder !== undefined && { folder: options.folder }),
    };
    const result = engine.pipeline(run.ports)(spec);
    result.catch(() => {});
    return {
      run,
      result,
      release: () => run.releaseAll(releasers),
      cancel: async () => {
        run.abort('cancelled');
        // Start the release while the body still runs. The second release covers what the body opens meanwhile.
        const begun = run.releaseAll(releasers, 'stop');
        await result.catch(() => {});
        await begun;
        return run.releaseAll(releasers);
      },
    };
  };

  const runToEnd = async (text: string, options: PipelineOptions = {}): Promise<FinishedPipeline> => {
    const { run, result: going, release } = await start(text, options);
    let ending: PipelineResult;
    try {
      ending = await going;
    } catch (error) {
      await release();
      throw error;
    }
    const receipt = await release();
    return {
      run,
      ending,
      receipt,
      value: ending.value as unknown as PipelineValue,
      artifacts: join(folder, 'data', 'runs', run.ports.run, 'artifacts'),
      events: (type, job) =>
        run.events
          .filter((event) => event.type === type && (job === undefined || event.facts['job'] === job))
          .map(({ facts }) => facts),
      steps: (job) =>
        run.events
          .filter(({ type, facts }) => type === 'job-step' && facts['job'] === job)
          .map(({ facts }) => String(facts['step'])),
      stdout: (job) => run.output.parts.get(job)?.stdout() ?? '',
      stderr: (job) => run.output.parts.get(job)?.stderr() ?? '',
    };
  };

  return {
    docker,
    folder,
    start,
    run: runToEnd,
    leftovers: () => docker.listResources(),
    close: async () => {
      docker.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Adds an empty `needs` to each job of a text without an order, so that all jobs start at once. The language itself
 * demands an order.
 */
function withExplicitOrder(text: string): string {
  if (/^\s*workflow:|\bneeds:/m.test(text)) return text;
  const document = parseDocument(text);
  for (const { key, value } of (document.contents as YAMLMap<Scalar<string>, YAMLMap>).items)
    if (key.value !== 'docker') value?.set('needs', document.createNode([]));
  return document.toString({ lineWidth: 0 });
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
