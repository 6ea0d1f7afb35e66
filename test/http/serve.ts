// A real HTTP server with the app behind it, and fake parts that a test may replace one by one.

import { createServer, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { defaultLimits } from '../../protocol/limits.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { checkHost } from '../../server/auth/hosts.ts';
import { identify } from '../../server/auth/identify.ts';
import { allows, scopeText } from '../../server/auth/scopes.ts';
import { createHttpApp } from '../../server/http/app.ts';
import { answerClientError } from '../../server/http/client-error.ts';
import { EventStreams } from '../../server/http/events/streams.ts';
import type { HttpParts, Status } from '../../server/http/parts.ts';
import type { Route } from '../../server/http/route.ts';
import { openArtifact } from '../../server/runs/artifacts.ts';
import { PastLog } from '../../server/runs/log/past-log.ts';
import type { Watchable } from '../../server/runs/watchable.ts';
import { silent } from '../../server/support/logger.ts';

export interface Served {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  json(): unknown;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Serving {
  readonly port: number;
  ask(path: string, asking?: Asking): Promise<Served>;
  /** Sends `text` as it is, and gives all that comes back until the server closes. */
  raw(text: string): Promise<string>;
  close(): Promise<void>;
}

export async function serve(parts: HttpParts = fakeParts(), routes?: readonly Route[]): Promise<Serving> {
  const server = createServer(createHttpApp(parts, routes));
  server.on('clientError', answerClientError);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    ask: (path, asking) => ask(port, path, asking),
    raw: (text) => raw(port, text),
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}

function ask(port: number, path: string, { method = 'GET', headers = {} }: Asking = {}): Promise<Served> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body, json: () => JSON.parse(body) as unknown });
      });
    });
    sent.on('error', reject);
    sent.end();
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

/** A run that is over, as those see it who watch. Its log is in `folder`; without one there is none. */
export function overRun(record: RunRecord, folder = '/nowhere'): Watchable {
  const log = new PastLog(folder, { shape: 'lines', lineBytesMax: defaultLimits.lineBytesMax, record });
  return { id: record.id, record, log, value: undefined, faulted: false, ended: Promise.resolve(record), onState: () => () => {} };
}

type Config = ReturnType<HttpParts['config']>;

export function fakeConfig(http: Partial<Config['http']> = {}, rest: Partial<Omit<Config, 'http'>> = {}): Config {
  return {
    http: { api: true, host: '127.0.0.1', port: 0, domains: [], origins: [], ...http },
    home: { list: { public: true, private: true } },
    limits: defaultLimits,
    systems: [],
    ...rest,
  };
}

export const fakeRun: RunRecord = {
  id: 'r1', call: 'greet', params: ['world'], caller: '', node: 'here', state: 'ended', outcome: 'succeeded', exitCode: 0,
  queuedAt: '2026-01-01T00:00:00.000Z', lines: 3, bytes: 12, cleanup: { clean: true, released: [], left: [] },
};

const fakeStatus: Status = {
  version: '0.1.0', node: 'here', startedAt: '2026-01-01T00:00:00.000Z', uptimeMs: 5, state: 'running', api: true,
  runs: { queued: 0, running: 1, cancelling: 0, ended: 2 }, sessions: 1,
  engines: { process: { available: true }, terminal: { available: true }, container: { available: false, reason: 'no Docker engine answers' }, pipeline: { available: false, reason: 'no Docker engine answers' } },
};

const onDisconnect = { default: 'cancel', allow: ['cancel'] };

const fakeLines = ['one', 'two', 'three'];

export function fakeParts(changed: Partial<HttpParts> = {}): HttpParts {
  return {
    config: () => fakeConfig(),
    calls: async () => [
      {
        name: 'greet', summary: 'Greet someone', kind: 'process', stop: { signal: 'SIGTERM', graceMs: 10_000 }, onDisconnect, available: true,
        params: [{ name: 'who', schema: { type: 'string' }, default: 'world', required: false }],
      },
      { name: 'census', kind: 'container', params: [], stop: { signal: 'SIGTERM', graceMs: 1 }, onDisconnect, available: false, reason: 'no Docker engine answers' },
    ],
    runs: {
      list: ({ before, limit }) => ({ runs: before === undefined ? [fakeRun].slice(0, limit) : [] }),
      get: (id) => (id === fakeRun.id ? fakeRun : undefined),
      lines: async (_id, { after, limit }) => {
        const lines = fakeLines.slice(after, after + limit);
        const next = after + lines.length;
        return { lines, next, ended: next >= fakeLines.length };
      },
      watch: () => overRun({ ...fakeRun, lines: 0, bytes: 0 }),
      artifacts: async () => ({ artifacts: [{ path: 'build/app.js', bytes: 3, type: 'file', modified: '2026-01-01T00:00:00.000Z' }] }),
      // Any file that does not change.
      artifact: async (_id, path) => (path === 'build/app.js' ? openArtifact(import.meta.dirname, 'serve.ts') : undefined),
    },
    schemas: { pipeline: { type: 'object' } },
    streams: new EventStreams({ limits: () => defaultLimits, on: () => true, log: silent }),
    news: async () => [],
    status: () => fakeStatus,
    ready: () => ({ ready: true }),
    access: { identify, allows, scopeText, checkHost },
    log: silent,
    ...changed,
  };
}
