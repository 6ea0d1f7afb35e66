// Compares the HTTP documents with the code: their tables, and their examples with the responses of a real server.

import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { errors } from '../../protocol/errors.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { RunRecord } from '../../protocol/run-record.ts';
import type { HttpDeps } from '../../server/http/deps.ts';
import { newsItem, parseNewsName } from '../../server/http/news/news-item.ts';
import { newsBytesMax, newsFilesMax } from '../../server/http/news/read-news.ts';
import { pageBytesMax } from '../../server/http/routes/lines.ts';
import { routes } from '../../server/http/routes/routes.ts';
import { RunLog } from '../../server/runs/log/log.ts';
import { listArtifacts, openArtifact } from '../../server/runs/views/artifacts.ts';
import type { TestServer } from '../helpers/http/test-server.ts';
import { endedRun, fakeConfig, fakeDeps, serve } from '../helpers/http/test-server.ts';

const read = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** Returns the cells of each table row whose first cell is written as code. */
const rows = (text: string): readonly (readonly string[])[] =>
  [...text.matchAll(/^\| `.*\|$/gm)].map(([row]) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
  );

describe('docs/errors.md', () => {
  it('the table of error codes in docs/errors.md matches the code', async () => {
    const shown = rows(await read('errors.md')).map(([code, status, message]) => [code, Number(status), message]);
    expect(shown).to.deep.equal(Object.entries(errors).map(([code, row]) => [code, row.status, row.message]));
  });

  it('docs/errors.md says for every code when it occurs', async () => {
    for (const row of rows(await read('errors.md'))) expect(row[3], row[0]).to.have.length.above(5);
  });
});

describe('docs/http.md', () => {
  let text: string;
  before(async () => {
    text = await read('http.md');
  });

  it('the table of routes in docs/http.md matches the code', () => {
    expect(rows(text).filter(([path]) => path?.startsWith('/'))).to.deep.equal(
      routes.map((route) => [route.path, route.summary, route.scope ?? '']),
    );
  });

  it('docs/http.md contains the limits that the code sets', () => {
    for (const bound of [`${newsFilesMax} files`, `${newsBytesMax >> 10} KiB`, `${pageBytesMax >> 20} MiB`])
      expect(text).to.contain(bound);
  });

  it('docs/http.md has an example of every route', () => {
    const paths = examples(text).map((example) => example.path.replace(/\?.*$/, ''));
    for (const { path } of routes) {
      const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+').replace(/\{\w+…\}/, '.+')}/?$`);
      expect(
        paths.some((example) => pattern.test(example)),
        path,
      ).to.equal(true);
    }
  });
});

describe('the examples of docs/http.md', () => {
  let serving: TestServer;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docs-'));
    serving = await serve(exampleDeps(await storedLog(join(folder, run.id))));
  });
  after(async () => {
    await serving.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('the examples of docs/http.md show what the server returns', async () => {
    const all = examples(await read('http.md'));
    for (const { path, headers, status, body } of all) {
      const response = await serving.request(path, { headers });
      expect(response.status, path).to.equal(status);
      if (/…[\]}]+$/.test(body))
        expect(response.body).to.satisfy((given: string) => given.startsWith(body.slice(0, body.indexOf(', …'))));
      else if (/^[{["]/.test(body)) expect(response.json(), path).to.deep.equal(JSON.parse(body));
      else expect(response.body.replace(/\n+$/, '\n'), path).to.equal(`${body}\n`);
    }
    expect(all).to.have.length.above(18);
  });
});

interface Example {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  readonly body: string;
}

function examples(text: string): readonly Example[] {
  return [...text.matchAll(/^```http\nGET (\S+)\n(?:Accept: (\S+)\n)?\n(\d{3})[^\n]*\n([^]*?)\n```$/gm)].map(
    ([, path = '', accept, status, body = '']) => ({
      path,
      headers: accept === undefined ? {} : { Accept: accept },
      status: Number(status),
      body,
    }),
  );
}

const run: RunRecord = {
  id: '8Zk2mQ',
  call: 'greet',
  params: ['Ada'],
  caller: '',
  node: 'gateway',
  state: 'ended',
  outcome: 'succeeded',
  exitCode: 0,
  queuedAt: '2026-01-15T09:30:00.000Z',
  startedAt: '2026-01-15T09:30:00.004Z',
  endedAt: '2026-01-15T09:30:03.021Z',
  durationMs: 3_017,
  lines: 3,
  bytes: 36,
  cleanup: { clean: true, released: [{ kind: 'process', id: 'p1', how: 'exited', ms: 2 }], left: [] },
};

const lines = ['hello Ada 1', 'hello Ada 2', 'hello Ada 3'];

/** Writes the lines and an artifact of the run as a gateway stores them. Returns the folder. */
async function storedLog(folder: string): Promise<string> {
  const log = RunLog.create(folder, {
    format: 'lines',
    limits: defaultLimits,
    onFailure: (error) => {
      throw error;
    },
  });
  log.write('stdout', Buffer.from(lines.map((line) => `${line}\n`).join('')));
  await log.close();
  await mkdir(join(folder, 'artifacts', 'letters'), { recursive: true });
  const file = join(folder, 'artifacts', 'letters', 'ada.txt');
  await writeFile(file, 'Dear Ada\n');
  await utimes(file, new Date('2026-01-15T09:30:02Z'), new Date('2026-01-15T09:30:02Z'));
  return folder;
}

function exampleDeps(log: string): HttpDeps {
  const name = parseNewsName('2026-01-15-moved.md');
  const stop = { signal: 'SIGTERM', graceMs: 10_000 } as const;
  const onDisconnect = { default: 'cancel', allow: ['cancel', 'grace:1m'] };
  return fakeDeps({
    config: () =>
      fakeConfig(
        {},
        {
          systems: [
            {
              slug: 'herbarium',
              url: 'https://herbarium.example.org',
              tagline: 'Dried plants',
              entityCount: 1204,
              bundleCount: 9,
              lastEdit: null,
              running: true,
              listed: true,
            },
          ],
          resolve: [
            {
              prefix: 'https://data.example.org/herbarium/',
              target: 'https://herbarium.example.org/wisski/get?uri=${uri}',
            },
          ],
        },
      ),
    news: async () =>
      name === undefined ? [] : [newsItem(name, { text: '# We have moved\n\nTo a *larger* machine.' })],
    calls: async () => [
      {
        name: 'greet',
        summary: 'Greet someone, slowly',
        kind: 'process',
        timeoutMs: 600_000,
        stop,
        onDisconnect,
        available: true,
        params: [
          {
            name: 'who',
            summary: 'Whom to greet',
            schema: { type: 'string', pattern: '^[A-Za-z ]+$' },
            default: 'world',
            required: false,
          },
        ],
      },
      {
        name: 'census',
        summary: 'Count words in a container',
        kind: 'container',
        params: [],
        stop,
        onDisconnect,
        available: false,
        reason: 'no Docker engine answers',
      },
    ],
    runs: {
      list: ({ limit }) => ({ runs: [run].slice(0, limit), next: run.id }),
      get: (id) => (id === run.id ? run : undefined),
      lines: async (_id, { after, limit }) => {
        const page = lines.slice(after, after + limit);
        return { lines: page, next: after + page.length, ended: after + page.length === lines.length };
      },
      view: () => endedRun(run, log),
      artifacts: (_id, max) => listArtifacts(join(log, 'artifacts'), max),
      artifact: (_id, path) => openArtifact(join(log, 'artifacts'), path),
    },
    schemas: {
      pipeline: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', required: ['workflow'] },
    },
    status: () => ({
      version: '0.1.0',
      node: 'gateway',
      startedAt: '2026-01-15T09:00:00.000Z',
      uptimeMs: 1_800_000,
      state: 'running',
      api: true,
      runs: { queued: 0, running: 1, cancelling: 0, ended: 41 },
      sessions: 1,
      storage: { ok: true, freeBytes: 80_530_636_800, minFreeBytes: 67_108_864, outputBytes: 1_048_576 },
      engines: {
        process: { available: true },
        terminal: { available: true },
        container: { available: false, reason: 'no Docker engine answers' },
        pipeline: { available: false, reason: 'no Docker engine answers' },
      },
      processes: { starter: 'posix_spawn', limits: { available: true } },
      lastReload: { at: '2026-01-15T09:20:00.000Z', ok: true, problems: 0 },
    }),
  });
}
