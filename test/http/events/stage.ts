// A run that a test plays, with a real log, behind a real server.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { RunRecord, RunState } from '../../../protocol/record.ts';
import { EventStreams } from '../../../server/http/events/streams.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import type { Shape } from '../../../server/runs/log/page.ts';
import type { Watchable } from '../../../server/runs/watchable.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { silent } from '../../../server/support/logger.ts';
import { fakeConfig, fakeParts, serve, type Serving } from '../serve.ts';

export const path = '/api/v1/http/runs/played/events';

export interface Stage {
  readonly port: number;
  readonly serving: Serving;
  readonly run: PlayedRun;
  readonly streams: EventStreams;
  limits: Limits;
  api: boolean;
}

/** Plays in a folder of its own; everything is closed afterwards. */
export async function onStage(play: (stage: Stage) => Promise<void>, options: { readonly limits?: Partial<Limits>; readonly shape?: Shape } = {}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'events-'));
  const run = new PlayedRun(join(folder, 'run'), { ...defaultLimits, ...options.limits }, options.shape ?? 'lines');
  const stage = { run, limits: { ...defaultLimits, ...options.limits }, api: true };
  const streams = new EventStreams({ limits: () => stage.limits, on: () => stage.api, log: silent });
  const parts = fakeParts({ streams, config: () => fakeConfig({ api: stage.api, origins: ['https://app.example.org'] }, { limits: stage.limits }) });
  const serving = await serve({ ...parts, runs: { ...parts.runs, get: (id) => (id === run.id ? run.record : undefined), watch: () => run } });
  try {
    await play(Object.assign(stage, { serving, port: serving.port, streams }));
  } finally {
    streams.close();
    await serving.close();
    await run.log.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export class PlayedRun implements Watchable {
  readonly id = 'played';
  readonly value = undefined;
  readonly faulted = false;
  readonly log: RunLog;
  readonly #ended = deferred<RunRecord>();
  readonly #listeners = new Set<(record: RunRecord) => void>();
  record: RunRecord = { id: 'played', call: 'play', params: [], caller: '', node: 'n', state: 'running', queuedAt: '2026-01-01T00:00:00.000Z', lines: 0, bytes: 0 };

  constructor(folder: string, limits: Limits, shape: Shape) {
    this.log = RunLog.create(folder, { shape, limits, onFailure: (error) => { throw error; } });
  }

  get ended(): Promise<RunRecord> {
    return this.#ended.promise;
  }

  onState(listener: (record: RunRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  print(text: string): void {
    this.log.write('stdout', Buffer.from(text));
  }

  become(state: RunState, more: Partial<RunRecord> = {}): void {
    this.record = { ...this.record, ...more, state };
    for (const listener of this.#listeners) listener(this.record);
  }

  async finish(): Promise<void> {
    await this.log.close();
    this.become('ended', { outcome: 'succeeded', exitCode: 0, lines: this.log.position.line, cleanup: { clean: true, released: [], left: [] } });
    this.#ended.resolve(this.record);
  }
}
