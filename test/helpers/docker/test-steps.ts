// Helpers for tests of step containers: a run in memory with real releases, and archives as values.

import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header, pack } from 'tar-stream';
import type { Archive, Containers, StepSpec } from '../../../calls/contract/containers.ts';
import { type Connection, connect } from '../../../server/docker/connect.ts';
import type { DockerEngine } from '../../../server/docker/engine.ts';
import { type FakePorts, type FakePortsOptions, fakePorts, type Releasers } from '../runs/fake-run-ports.ts';

export interface StepRun {
  readonly run: FakePorts;
  readonly steps: Containers;
  /** Returns a unique container name. */
  name(job?: string): string;
  /** Returns the spec of a container that runs a shell script. */
  sh(script: string, more?: Partial<StepSpec>): StepSpec;
}

export function engineReleasers(engine: DockerEngine): Releasers {
  return { container: engine.release, network: engine.releaseNetwork, volume: engine.releaseVolume };
}

let names = 0;

export async function createStepRun(engine: DockerEngine, options: FakePortsOptions = {}): Promise<StepRun> {
  const run = fakePorts({ releasers: engineReleasers(engine), ...options });
  const name = (job = 'job'): string => `${job}_${run.ports.run}-${(names += 1)}`;
  return {
    run,
    steps: await engine.steps(run.ports),
    name,
    sh: (script, more = {}) => ({
      name: name(),
      job: 'job',
      image: 'busybox',
      command: ['sh', '-c', script],
      network: 'none',
      ...more,
    }),
  };
}

/** Opens a connection to the engine that bypasses the code under test. */
export async function connectDirectly(host: string): Promise<Connection> {
  const reached = await connect(host);
  if ('why' in reached) throw new Error(reached.why);
  return reached;
}

export type TestEntry = Partial<Header> & { readonly name: string; readonly text?: string };

export async function* createArchive(entries: readonly TestEntry[]): AsyncGenerator<Uint8Array, void, void> {
  const tar = pack();
  for (const { text, ...header } of entries) tar.entry(header, text ?? '');
  tar.finalize();
  yield* tar as AsyncIterable<Buffer>;
}

export async function readArchive(archive: Archive): Promise<TestEntry[]> {
  const found: TestEntry[] = [];
  const tar = extract();
  Readable.from(archive)
    .on('error', (error) => tar.destroy(error))
    .pipe(tar);
  for await (const entry of tar)
    found.push({ ...entry.header, text: (await buffer(entry as AsyncIterable<Buffer>)).toString() });
  return found;
}
