// What the tests of containers step by step share: a run in memory whose obligations are released for real, and archives as values.

import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { extract, pack, type Header } from 'tar-stream';
import type { Archive, Containers, StepSpec } from '../../calls/contract/containers.ts';
import { connect, type Connection } from '../../server/docker/connect.ts';
import type { DockerEngine } from '../../server/docker/engine.ts';
import { fakePorts, type FakePorts, type FakePortsOptions, type Releasers } from '../helpers/ports.ts';

export interface StepRun {
  readonly run: FakePorts;
  readonly steps: Containers;
  /** A name that no other container has. */
  name(job?: string): string;
  /** Of a container with a shell in it. */
  sh(script: string, more?: Partial<StepSpec>): StepSpec;
}

export function releasersOf(engine: DockerEngine): Releasers {
  return { container: engine.release, network: engine.releaseNetwork, volume: engine.releaseVolume };
}

let names = 0;

export async function stepRun(engine: DockerEngine, options: FakePortsOptions = {}): Promise<StepRun> {
  const run = fakePorts({ releasers: releasersOf(engine), ...options });
  const name = (job = 'job'): string => `${job}_${run.ports.run}-${(names += 1)}`;
  return {
    run, steps: await engine.steps(run.ports), name,
    sh: (script, more = {}) => ({ name: name(), job: 'job', image: 'busybox', command: ['sh', '-c', script], network: 'none', ...more }),
  };
}

/** A look at the engine that does not go through what is tested. */
export async function rawEngine(host: string): Promise<Connection> {
  const reached = await connect(host);
  if ('why' in reached) throw new Error(reached.why);
  return reached;
}

export type Entry = Partial<Header> & { readonly name: string; readonly text?: string };

export async function* archiveOf(entries: readonly Entry[]): AsyncGenerator<Uint8Array, void, void> {
  const tar = pack();
  for (const { text, ...header } of entries) tar.entry(header, text ?? '');
  tar.finalize();
  yield* tar as AsyncIterable<Buffer>;
}

export async function entriesOf(archive: Archive): Promise<Entry[]> {
  const found: Entry[] = [];
  const tar = extract();
  Readable.from(archive).on('error', (error) => tar.destroy(error)).pipe(tar);
  for await (const entry of tar) found.push({ ...entry.header, text: (await buffer(entry as AsyncIterable<Buffer>)).toString() });
  return found;
}
