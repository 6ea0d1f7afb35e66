// A real HTTP server with the app and fake dependencies that a test can replace.

import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import { defaultLimits } from '../../../protocol/limits.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { identify } from '../../../server/auth/identify.ts';
import { allows, missingScopeMessage } from '../../../server/auth/scopes.ts';
import type { HttpDeps, Status } from '../../../server/http/deps.ts';
import { createJsonApi } from '../../../server/http/json-api.ts';
import type { JsonRoute } from '../../../server/http/route.ts';
import { RunStreams } from '../../../server/http/sse/run-streams.ts';
import { HttpServer } from '../../../server/http-server.ts';
import { StoredLog } from '../../../server/runs/log/stored-log.ts';
import { openArtifact } from '../../../server/runs/views/artifacts.ts';
import type { RunView } from '../../../server/runs/views/run-view.ts';
import { nullLogger } from '../../../server/support/logger.ts';

export interface HttpResult {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  json(): unknown;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestServer {
  readonly port: number;
  request(path: string, options?: RequestOptions): Promise<HttpResult>;
  /** Sends `text` unchanged. Returns everything up to the end of the connection. */
  raw(text: string): Promise<string>;
  close(): Promise<void>;
}

export async function serve(deps: HttpDeps = fakeDeps(), routes?: readonly JsonRoute[]): Promise<TestServer> {
  const server = new HttpServer([{ name: 'http', routes: createJsonApi(deps, routes) }], {
    listen: { host: '127.0.0.1', port: 0 },
    keepAliveMs: () => 65_000,
    requestMs: defaultLimits.requestMs,
  });
  await server.listeners.open?.();
  const port = Number(new URL(server.url).port);
  return {
    port,
    request: (path, options) => sendRequest(port, path, options),
    raw: (text) => raw(port, text),
    close: async () => server.connections.close?.(),
  };
}

function sendRequest(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: RequestOptions = {},
): Promise<HttpResult> {
  return new Promise((resolve, reject) => {
    const sentRequest = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          json: () => JSON.parse(body) as unknown,
        });
      });
    });
    sentRequest.on('error', reject);
    sentRequest.end();
  });
}

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.end(text);
  });
}

/** Returns the view of an ended run. Its log is in `folder`; without `folder` the run has no log. */
export function endedRun(record: RunRecord, folder = '/nowhere'): RunView {
  const log = new StoredLog(folder, { format: 'lines', lineBytesMax: defaultLimits.lineBytesMax, record });
  return {
    id: record.id,
    record,
    log,
    value: undefined,
    faulted: false,
    ended: Promise.resolve(record),
    onState: () => () => {},
  };
}

type Config = ReturnType<HttpDeps['config']>;

export function fakeConfig(http: Partial<Config['http']> = {}, rest: Partial<Omit<Config, 'http'>> = {}): Config {
  return {
    http: { api: true, host: '127.0.0.1', port: 0, domains: [], origins: [], keepAliveMs: 65_000, ...http },
    home: { list: { public: true, private: true } },
    limits: defaultLimits,
    systems: [],
    resolve: [{ prefix: 'urn:x:', target: 'https://example.org/${rest}' }],
    ...rest,
  };
}

export const fakeRun: RunRecord = {
  id: 'r1',
  call: 'greet',
  params: ['world'],
  caller: '',
  node: 'here',
  state: 'ended',
  outcome: 'succeeded',
  exitCode: 0,
  queuedAt: '2026-01-01T00:00:00.000Z',
  lines: 3,
  bytes: 12,
  cleanup: { clean: true, released: [], left: [] },
};

const fakeStatus: Status = {
  version: '0.1.0',
  node: 'here',
  startedAt: '2026-01-01T00:00:00.000Z',
  uptimeMs: 5,
  state: 'running',
  api: true,
  runs: { queued: 0, running: 1, cancelling: 0, ended: 2 },
  sessions: 1,
  storage: { ok: true, freeBytes: 80_530_636_800, minFreeBytes: 67_108_864, outputBytes: 1_048_576 },
  engines: {
    process: { available: true },
    terminal: { available: true },
    container: { available: false, reason: 'no Docker engine answers' },
    pipeline: { available: false, reason: 'no Docker engine answers' },
  },
  processes: { starter: 'posix_spawn', limits: { available: true } },
};

const onDisconnect = { default: 'cancel', allow: ['cancel'] };

const fakeLines = ['one', 'two', 'three'];

export function fakeDeps(changed: Partial<HttpDeps> = {}): HttpDeps {
  return {
    config: () => fakeConfig(),
    calls: async () => [
      {
        name: 'greet',
        summary: 'Greet someone',
        kind: 'process',
        stop: { signal: 'SIGTERM', graceMs: 10_000 },
        onDisconnect,
        available: true,
        params: [{ name: 'who', schema: { type: 'string' }, default: 'world', required: false }],
      },
      {
        name: 'census',
        kind: 'container',
        params: [],
        stop: { signal: 'SIGTERM', graceMs: 1 },
        onDisconnect,
        available: false,
        reason: 'no Docker engine answers',
      },
    ],
    runs: {
      list: ({ before, limit }) => ({ runs: before === undefined ? [fakeRun].slice(0, limit) : [] }),
      get: (id) => (id === fakeRun.id ? fakeRun : undefined),
      lines: async (_id, { after, limit }) => {
        const lines = fakeLines.slice(after, after + limit);
        const next = after + lines.length;
        return { lines, next, ended: next >= fakeLines.length };
      },
      view: () => endedRun({ ...fakeRun, lines: 0, bytes: 0 }),
      artifacts: async () => ({
        artifacts: [{ path: 'build/app.js', bytes: 3, type: 'file', modified: '2026-01-01T00:00:00.000Z' }],
      }),
      // Any file can be the artifact, if it does not change during a test.
      artifact: async (_id, path) =>
        path === 'build/app.js' ? openArtifact(import.meta.dirname, 'test-server.ts') : undefined,
    },
    schemas: { pipeline: { type: 'object' } },
    streams: new RunStreams({ limits: () => defaultLimits, isEnabled: () => true, log: nullLogger }),
    news: async () => [],
    status: () => fakeStatus,
    ready: () => ({ ready: true }),
    access: { identify, allows, missingScopeMessage },
    log: nullLogger,
    ...changed,
  };
}
