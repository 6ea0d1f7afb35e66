// The HTTP documents say what the code does: their tables are the code's, and their examples are asked of a real server.

import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errors } from '../../protocol/errors.ts';
import { defaultLimits } from '../../protocol/limits.ts';
import type { RunRecord } from '../../protocol/record.ts';
import { newsItem, parseNewsName } from '../../server/http/news/item.ts';
import { newsBytesMax, newsFilesMax } from '../../server/http/news/shelf.ts';
import type { HttpParts } from '../../server/http/parts.ts';
import { pageBytesMax } from '../../server/http/routes/lines.ts';
import { routes } from '../../server/http/routes/table.ts';
import { listArtifacts, openArtifact } from '../../server/runs/artifacts.ts';
import { RunLog } from '../../server/runs/log/log.ts';
import { fakeConfig, fakeParts, overRun, serve } from './serve.ts';
import type { Serving } from './serve.ts';

const read = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** Cells of the rows of a table whose first cell is code. */
const rows = (text: string): readonly (readonly string[])[] =>
  [...text.matchAll(/^\| `.*\|$/gm)].map(([row]) => row.slice(1, -1).split('|').map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')));

describe('docs/errors.md', () => {
  it('shows the table of codes as it is', async () => {
    const shown = rows(await read('errors.md')).map(([code, status, message]) => [code, Number(status), message]);
    expect(shown).to.deep.equal(Object.entries(errors).map(([code, row]) => [code, row.status, row.message]));
  });

  it('says of every code when it is told', async () => {
    for (const row of rows(await read('errors.md'))) expect(row[3], row[0]).to.have.length.above(5);
  });
});

describe('docs/http.md', () => {
  let text: string;
  before(async () => {
    text = await read('http.md');
  });

  it('shows the table of routes as it is', () => {
    expect(rows(text).filter(([path]) => path?.startsWith('/'))).to.deep.equal(routes.map((route) => [route.path, route.summary, route.scope ?? '']));
  });

  it('names the bounds of the code', () => {
    for (const bound of [`${newsFilesMax} files`, `${newsBytesMax >> 10} KiB`, `${pageBytesMax >> 20} MiB`]) expect(text).to.contain(bound);
  });

  it('has an example for every route', () => {
    const asked = examples(text).map((example) => example.path.replace(/\?.*$/, ''));
    for (const { path } of routes) {
      const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+').replace(/\{\w+…\}/, '.+')}/?$`);
      expect(asked.some((one) => pattern.test(one)), path).to.equal(true);
    }
  });
});

describe('docs/http.md: examples', () => {
  let serving: Serving;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docs-'));
    serving = await serve(parts(await storedLog(join(folder, run.id))));
  });
  after(async () => {
    await serving.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('are answered as they say', async () => {
    const all = examples(await read('http.md'));
    for (const { path, headers, status, body } of all) {
      const served = await serving.ask(path, { headers });
      expect(served.status, path).to.equal(status);
      if (/…[\]}]+$/.test(body)) expect(served.body).to.satisfy((given: string) => given.startsWith(body.slice(0, body.indexOf(', …'))));
      else if (body.startsWith('{') || body.startsWith('[')) expect(served.json(), path).to.deep.equal(JSON.parse(body));
      else expect(served.body.replace(/\n+$/, '\n'), path).to.equal(`${body}\n`);
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
  return [...text.matchAll(/^```http\nGET (\S+)\n(?:Accept: (\S+)\n)?\n(\d{3})[^\n]*\n([^]*?)\n```$/gm)].map(([, path = '', accept, status, body = '']) => ({
    path, headers: accept === undefined ? {} : { Accept: accept }, status: Number(status), body,
  }));
}

const run: RunRecord = {
  id: '8Zk2mQ', call: 'greet', params: ['Ada'], caller: '', node: 'gateway', state: 'ended', outcome: 'succeeded', exitCode: 0,
  queuedAt: '2026-01-15T09:30:00.000Z', startedAt: '2026-01-15T09:30:00.004Z', endedAt: '2026-01-15T09:30:03.021Z', lines: 3, bytes: 36,
  cleanup: { clean: true, released: [{ kind: 'process', id: 'p1', how: 'exited', ms: 2 }], left: [] },
};

const lines = ['hello Ada 1', 'hello Ada 2', 'hello Ada 3'];

/** The lines of the run, as a gateway leaves them. Gives the folder. */
async function storedLog(folder: string): Promise<string> {
  const log = RunLog.create(folder, { shape: 'lines', limits: defaultLimits, onFailure: (error) => { throw error; } });
  log.write('stdout', Buffer.from(lines.map((line) => `${line}\n`).join('')));
  await log.close();
  await mkdir(join(folder, 'artifacts', 'letters'), { recursive: true });
  const file = join(folder, 'artifacts', 'letters', 'ada.txt');
  await writeFile(file, 'Dear Ada\n');
  await utimes(file, new Date('2026-01-15T09:30:02Z'), new Date('2026-01-15T09:30:02Z'));
  return folder;
}

function parts(log: string): HttpParts {
  const name = parseNewsName('2026-01-15-moved.md');
  const stop = { signal: 'SIGTERM', graceMs: 10_000 } as const;
  const onDisconnect = { default: 'cancel', allow: ['cancel', 'grace:1m'] };
  return fakeParts({
    config: () => fakeConfig({}, {
      systems: [{
        slug: 'herbarium', url: 'https://herbarium.example.org', tagline: 'Dried plants', entityCount: 1204, bundleCount: 9, lastEdit: null, running: true, listed: true,
      }],
    }),
    news: async () => (name === undefined ? [] : [newsItem(name, '# We have moved\n\nTo a *larger* machine.')]),
    calls: async () => [
      {
        name: 'greet', summary: 'Greet someone, slowly', kind: 'process', timeoutMs: 600_000, stop, onDisconnect, available: true,
        params: [{ name: 'who', summary: 'Whom to greet', schema: { type: 'string', pattern: '^[A-Za-z ]+$' }, default: 'world', required: false }],
      },
      { name: 'census', summary: 'Count words in a container', kind: 'container', params: [], stop, onDisconnect, available: false, reason: 'no Docker engine answers' },
    ],
    runs: {
      list: ({ limit }) => ({ runs: [run].slice(0, limit), next: run.id }),
      get: (id) => (id === run.id ? run : undefined),
      lines: async (_id, { after, limit }) => {
        const told = lines.slice(after, after + limit);
        return { lines: told, next: after + told.length, ended: after + told.length === lines.length };
      },
      watch: () => overRun(run, log),
      artifacts: (_id, max) => listArtifacts(join(log, 'artifacts'), max),
      artifact: (_id, path) => openArtifact(join(log, 'artifacts'), path),
    },
    schemas: { pipeline: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', required: ['workflow'] } },
    status: () => ({
      version: '0.1.0', node: 'gateway', startedAt: '2026-01-15T09:00:00.000Z', uptimeMs: 1_800_000, state: 'running', api: true,
      runs: { queued: 0, running: 1, cancelling: 0, ended: 41 }, sessions: 1,
      engines: { process: { available: true }, terminal: { available: true }, container: { available: false, reason: 'no Docker engine answers' }, pipeline: { available: false, reason: 'no Docker engine answers' } },
      lastReload: { at: '2026-01-15T09:20:00.000Z', ok: true, problems: 0 },
    }),
  });
}
