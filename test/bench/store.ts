// Measures how the gateway behaves with many stored runs: its start, the list, a sweep of retention, and the end of a
// run.

import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { Retention } from '../../server/runs/retention/retention.ts';
import { openStore } from '../../server/runs/store/store.ts';
import { nullLogger } from '../../server/support/logger.ts';
import { connectClients, disconnectClients } from './counting-clients.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { startBenchGateway } from './servers.ts';
import { callsPerSecond, gatewayTarget } from './short-calls.ts';

const manyRuns = 1_000_000;
const someRuns = 10_000;
const activeRuns = 500;
const rounds = 5;

export async function measureStore(): Promise<readonly Figure[]> {
  return [...(await measureManyRuns()), ...(await measureEnd())];
}

/** Creates a store with this many ended runs of ten calls and five callers; every hundredth failed. */
function fillStore(data: string, runs: number): void {
  mkdirSync(join(data, 'runs'), { recursive: true });
  openStore(data).close();
  const db = new Database(join(data, 'runs.db'));
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN');
  db.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
     INSERT INTO runs (id, state, record, facts, ended_on, disk)
     SELECT printf('run%013d', i), 'ended',
       json_object('id', printf('run%013d', i), 'call', 'call-' || (i % 10), 'params', json_array('some', 'params'),
         'caller', 'caller-' || (i % 5), 'node', 'bench', 'state', 'ended',
         'outcome', CASE WHEN i % 100 = 0 THEN 'failed' ELSE 'succeeded' END, 'exitCode', 0,
         'queuedAt', strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600 + i, 'unixepoch'),
         'startedAt', strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600 + i, 'unixepoch'),
         'endedAt', strftime('%Y-%m-%dT%H:%M:%fZ', 1767225601 + i, 'unixepoch'), 'durationMs', 1000,
         'lines', 3, 'bytes', 36,
         'cleanup', json_object('clean', json('true'), 'released', json_array(), 'left', json_array())),
       '{"kind":"process"}', 0, 100
     FROM n`,
  ).run(runs);
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;');
  db.close();
}

const retainAll = 'retention: { age: 3000d, runs: 100000000, bytes: 1000g }\n';

async function measureManyRuns(): Promise<readonly Figure[]> {
  const data = await mkdtemp(join(tmpdir(), 'many-runs-'));
  try {
    fillStore(data, manyRuns);
    return [await measureStart(data), await measureList(data), ...(await measureSweeps(data))];
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function measureStart(data: string): Promise<Figure> {
  const time = async (folder?: string): Promise<number> => {
    const started = performance.now();
    const gateway = await startBenchGateway(retainAll, [], folder);
    const ms = performance.now() - started;
    await gateway.stop();
    return ms;
  };
  const pairs: { readonly full: number; readonly empty: number }[] = [];
  for (let round = 0; round < rounds; round++) pairs.push({ full: await time(data), empty: await time() });
  const ratio = median(pairs.map(({ full, empty }) => full / empty));
  return {
    name: `start with ${manyRuns} stored runs: ${rounded(median(pairs.map(({ full }) => full)))} ms`,
    value: `${rounded(ratio, 2)}x`,
    required: '<= 1.5x',
    peer: `empty data folder, ${rounded(median(pairs.map(({ empty }) => empty)))} ms`,
    samples: rounds,
    ok: ratio <= 1.5,
  };
}

const filters = [
  '',
  'outcome=failed',
  'call=call-3',
  'caller=caller-4&outcome=failed',
  // No run satisfies both: call-3 never failed.
  'call=call-3&outcome=failed',
  'call=call-4&caller=caller-4&outcome=succeeded',
  'since=2026-01-02T00:00:00Z&until=2026-01-02T01:00:00Z',
  'call=call-4&caller=caller-4&outcome=succeeded&since=2026-01-03T00:00:00Z&until=2026-01-03T12:00:00Z',
  'outcome=failed&until=2026-01-01T10:00:00Z',
  'state=ended&caller=caller-1',
  'state=running&call=call-2',
];

/** Measures the list over HTTP with each filter. The figure is the median of the slowest one. */
async function measureList(data: string): Promise<Figure> {
  const gateway = await startBenchGateway(retainAll, [], data);
  const times: { readonly filter: string; readonly ms: number }[] = [];
  try {
    for (const filter of filters) {
      const measured: number[] = [];
      for (let round = 0; round < 20; round++) {
        const started = performance.now();
        const response = await fetch(`http://127.0.0.1:${gateway.port}/api/v1/http/runs?limit=100&${filter}`);
        await response.arrayBuffer();
        measured.push(performance.now() - started);
      }
      times.push({ filter, ms: median(measured) });
    }
  } finally {
    await gateway.stop();
  }
  const slowest = times.reduce((a, b) => (b.ms > a.ms ? b : a));
  return {
    name: `list 100 of ${manyRuns} runs, slowest of ${filters.length} filters (${slowest.filter || 'none'})`,
    value: `${rounded(slowest.ms, 1)} ms`,
    required: '<= 20 ms',
    peer: 'none',
    samples: 20,
    ok: slowest.ms <= 20,
  };
}

async function measureSweeps(data: string): Promise<readonly Figure[]> {
  const store = openStore(data);
  let runs = manyRuns;
  const retention = new Retention({
    store,
    folder: join(data, 'runs'),
    rules: () => ({ overall: { ageMs: Infinity, runs, bytes: Infinity }, forCall: () => undefined }),
    activeRuns: () => [],
    intervalMs: () => 60_000,
    log: nullLogger,
  });
  const cpuOfSweep = async (): Promise<number> => {
    const before = process.cpuUsage();
    await retention.sweep();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
  try {
    await retention.sweep();
    const nothing = await cpuOfSweep();
    runs = manyRuns - 1_000;
    const thousand = await cpuOfSweep();
    return [
      sweepFigure('a retention sweep that removes nothing', nothing, 20),
      sweepFigure('a retention sweep that removes 1000 runs', thousand, 1_000),
    ];
  } finally {
    await retention.stop();
    store.close();
  }
}

function sweepFigure(name: string, ms: number, requiredMs: number): Figure {
  return {
    name: `${name}, of ${manyRuns}: CPU time`,
    value: `${rounded(ms, 1)} ms`,
    required: `<= ${requiredMs} ms`,
    peer: 'none',
    samples: 1,
    ok: ms <= requiredMs,
  };
}

/** Compares the rates of short calls in a gateway with many stored runs and in a gateway without any. */
async function measureEnd(): Promise<readonly Figure[]> {
  const yaml = 'calls:\n  short: { process: ["true"] }\n  pause: { process: [sleep, "600"], stop: { grace: 1s } }\n';
  const data = await mkdtemp(join(tmpdir(), 'some-runs-'));
  fillStore(data, someRuns);
  const full = await startBenchGateway(`${retainAll}${yaml}`, [], data);
  const empty = await startBenchGateway(`${retainAll}${yaml}`);
  const target = gatewayTarget(full.port, 'pause');
  const clients = await connectClients(activeRuns, target);
  try {
    const pairs: { readonly full: number; readonly empty: number }[] = [];
    for (let round = -1; round < rounds; round++) {
      const pair = {
        full: 1_000 / (await callsPerSecond(gatewayTarget(full.port, 'short'), { calls: 100, atOnce: 1 })),
        empty: 1_000 / (await callsPerSecond(gatewayTarget(empty.port, 'short'), { calls: 100, atOnce: 1 })),
      };
      if (round >= 0) pairs.push(pair);
    }
    const ratio = median(pairs.map((pair) => pair.full / pair.empty));
    return [
      {
        name: `a call of \`true\` beside ${someRuns} stored and ${activeRuns} active runs`,
        value: `${rounded(ratio, 2)}x`,
        required: '<= 2x',
        peer: `gateway without runs, ${rounded(median(pairs.map((pair) => pair.empty)), 1)} ms`,
        samples: rounds,
        ok: ratio <= 2,
      },
    ];
  } finally {
    await disconnectClients(clients);
    await Promise.all([full.stop(), empty.stop()]);
    await rm(data, { recursive: true, force: true });
  }
}
