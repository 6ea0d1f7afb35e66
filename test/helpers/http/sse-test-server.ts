// A run that the test drives, with a real log, behind a real HTTP server.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { RunRecord, RunState } from '../../../protocol/run-record.ts';
import { RunStreams } from '../../../server/http/sse/run-streams.ts';
import { RunLog } from '../../../server/runs/log/log.ts';
import type { LogFormat } from '../../../server/runs/log/storage/read-page.ts';
import type { RunView } from '../../../server/runs/views/run-view.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { nullLogger } from '../../../server/support/logger.ts';
import { fakeConfig, fakeDeps, serve, type TestServer } from './test-server.ts';

export const path = '/api/v1/http/runs/played/events';

export interface StreamFixture {
  readonly port: number;
  readonly server: TestServer;
  readonly run: PlayedRun;
  readonly streams: RunStreams;
  limits: Limits;
  api: boolean;
}

/** Runs the test in a temporary folder and closes everything afterwards. */
export async function withStream(
  play: (fixture: StreamFixture) => Promise<void>,
  options: { readonly limits?: Partial<Limits>; readonly shape?: LogFormat } = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'events-'));
  const run = new PlayedRun(join(folder, 'run'), { ...defaultLimits, ...options.limits }, options.shape ?? 'lines');
  const fixture = { run, limits: { ...defaultLimits, ...options.limits }, api: true };
  const streams = new RunStreams({ limits: () => fixture.limits, isEnabled: () => fixture.api, log: nullLogger });
  const deps = fakeDeps({
    streams,
    config: () => fakeConfig({ api: fixture.api, origins: ['https://app.example.org'] }, { limits: fixture.limits }),
  });
  const server = await serve({
    ...deps,
    runs: { ...deps.runs, get: (id) => (id === run.id ? run.record : undefined), view: () => run },
  });
  try {
    await play(Object.assign(fixture, { server, port: server.port, streams }));
  } finally {
    streams.close();
    await server.close();
    await run.log.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export class PlayedRun implements RunView {
  readonly id = 'played';
  readonly value = undefined;
  readonly faulted = false;
  readonly log: RunLog;
  readonly #ended = deferred<RunRecord>();
  readonly #listeners = new Set<(record: RunRecord) => void>();
  record: RunRecord = {
    id: 'played',
    call: 'play',
    params: [],
    caller: '',
    node: 'n',
    state: 'running',
    queuedAt: '2026-01-01T00:00:00.000Z',
    lines: 0,
    bytes: 0,
  };

  constructor(folder: string, limits: Limits, format: LogFormat) {
    this.log = RunLog.create(folder, {
      format,
      limits,
      onFailure: (error) => {
        throw error;
      },
    });
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
    this.become('ended', {
      outcome: 'succeeded',
      exitCode: 0,
      lines: this.log.position.line,
      cleanup: { clean: true, released: [], left: [] },
    });
    this.#ended.resolve(this.record);
  }
}
