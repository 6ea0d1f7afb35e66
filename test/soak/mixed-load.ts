// `npm run soak:load [-- MINUTES]`: checks that memory, descriptors and threads of a gateway do not grow under mixed
// load.
//
// Sessions run calls of every kind, send input, cancel and disconnect, as in the chaos test. Readers list runs and
// watch logs. Once a minute the gateway collects its garbage, and the test prints the gateway's resources.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { RunRecord } from '../../protocol/run-record.ts';
import { median } from '../bench/figures/figure.ts';
import {
  type BenchGateway,
  gcOnSignalArgs,
  readCpuMs,
  readMemory,
  startBenchGateway,
  stopAllServers,
} from '../bench/servers.ts';
import { chaosCallsYaml } from '../helpers/chaos/call-kinds.ts';
import { checkSession } from '../helpers/chaos/check-session.ts';
import { runSession } from '../helpers/chaos/run-session.ts';
import { drawPlans } from '../helpers/chaos/session-plan.ts';
import { sharedEngineHost, stopSharedEngine } from '../helpers/docker/shared-engine.ts';

const help = `usage: npm run soak:load -- [--seed N] [MINUTES]

Runs mixed load against one gateway, prints its memory, descriptors and threads once a minute, and checks that they do
not grow. Takes 30 minutes unless MINUTES is given. Starts an engine of its own; everything stays on loopback.

  --seed N   draws other sessions; default 20261201
  --help     this

Exit codes: 0 nothing grows and every session is right, 1 something does not hold, 2 wrong arguments.
`;

const sessionsAtOnce = 8;
const sampleMs = 60_000;
const pollMs = 250;
/** With this limit, retention removes runs during the whole time, so its cost is part of the load. */
const runsMax = 300;
/** Limit for the median memory in the last third of the time, divided by that in the second third. */
const memoryGrowthMax = 1.05;
/** After the load, the gateway may have at most this many more descriptors than before it. */
const descriptorGrowthMax = 4;

interface Sample {
  readonly minute: number;
  readonly residentMb: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly cpuPercent: number;
  readonly sessions: number;
  readonly storedRuns: number;
}

/** State that all tasks of the load share. */
interface Load {
  readonly gateway: BenchGateway;
  readonly url: string;
  readonly ends: AbortSignal;
  readonly problems: string[];
  sessions: number;
  lists: number;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let minutes = 30;
  let seed = 20_261_201;
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { seed: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      process.stdout.write(help);
      return 0;
    }
    if (positionals[0] !== undefined) minutes = Number(positionals[0]);
    if (values.seed !== undefined) seed = Number(values.seed);
    if (!(minutes >= 3 && Number.isInteger(seed))) throw new Error('MINUTES is a number of at least 3, N an integer');
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).message}\n\n${help}`);
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  process.env['TMPDIR'] = folder;
  try {
    return await soak(minutes, seed);
  } finally {
    await stopAllServers();
    await stopSharedEngine();
    await rm(folder, { recursive: true, force: true });
  }
}

async function soak(minutes: number, seed: number): Promise<number> {
  const yaml = `retention: { runs: ${runsMax} }\n${chaosCallsYaml(await sharedEngineHost(), 300)}`;
  const gateway = await startBenchGateway(yaml, gcOnSignalArgs);
  const url = `http://127.0.0.1:${gateway.port}/api/v1/http`;
  const stop = new AbortController();
  const load: Load = { gateway, url, ends: stop.signal, problems: [], sessions: 0, lists: 0 };
  const before = await sample(load, 0, await readCpuMs(gateway.pid));
  printHead();
  printSample(before);
  const work = Promise.all([runSessions(load, seed), readLists(load), watchRuns(load)]);
  work.catch(() => stop.abort());
  const samples = await takeSamples(load, minutes);
  stop.abort();
  await work;
  const after = await sample(load, minutes, await readCpuMs(gateway.pid));
  printSample(after);
  await gateway.stop();
  return printVerdict({ before, samples, after }, load);
}

async function runSessions(load: Load, seed: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!load.ends.aborted) {
      const number = next++;
      const [drawn] = drawPlans(seed + number, 1);
      const plan = { ...drawn!, tag: `run-${number}` };
      const result = await runSession(`ws://127.0.0.1:${load.gateway.port}/api/v1/ws`, plan);
      load.sessions += 1;
      // A client that waits for the result has seen the end of its run, so its record is complete. Other runs may still
      // be ending.
      if (plan.ending.type !== 'wait-for-result' || result.run === undefined) continue;
      const { run } = (await getJson(`${load.url}/runs/${result.run}`)) as { run?: RunRecord };
      if (run !== undefined) load.problems.push(...checkSession(result, [run]));
    }
  };
  await Promise.all(Array.from({ length: sessionsAtOnce }, worker));
}

async function readLists(load: Load): Promise<void> {
  for (; !load.ends.aborted; load.lists += 1) {
    for (const path of ['runs?limit=50', 'status', 'calls']) await getJson(`${load.url}/${path}`);
    await pause(pollMs);
  }
}

/** Reads the logs of the three newest runs from their beginning, one after another, again and again. */
async function watchRuns(load: Load): Promise<void> {
  while (!load.ends.aborted) {
    const { runs } = (await getJson(`${load.url}/runs?limit=3`)) as { runs: readonly RunRecord[] };
    for (const { id } of runs) await readFor(`${load.url}/runs/${id}/events`, 500);
    await pause(pollMs);
  }
}

/** Reads a response until it ends or the time is over. Ignores its status, because a run may be removed meanwhile. */
async function readFor(url: string, ms: number): Promise<void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ms), headers: { connection: 'close' } });
    for await (const _ of response.body ?? []);
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
  }
}

async function getJson(url: string): Promise<unknown> {
  return (await fetch(url, { headers: { connection: 'close' } })).json();
}

async function takeSamples(load: Load, minutes: number): Promise<readonly Sample[]> {
  const started = performance.now();
  const samples: Sample[] = [];
  for (let minute = 1; minute <= minutes && !load.ends.aborted; minute += 1) {
    const cpuBefore = await readCpuMs(load.gateway.pid);
    await pause(Math.max(0, started + minute * sampleMs - performance.now()));
    const taken = await sample(load, minute, cpuBefore);
    samples.push(taken);
    printSample(taken);
  }
  return samples;
}

async function sample(load: Load, minute: number, cpuBefore: number): Promise<Sample> {
  const { pid } = load.gateway;
  const cpuMs = (await readCpuMs(pid)) - cpuBefore;
  await load.gateway.collectGarbage();
  const { runs } = (await getJson(`${load.url}/status`)) as { runs: Readonly<Record<string, number>> };
  return {
    minute,
    residentMb: (await readMemory(pid)).now / 1e6,
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    threads: (await readdir(`/proc/${pid}/task`)).length,
    cpuPercent: (cpuMs / sampleMs) * 100,
    sessions: load.sessions,
    storedRuns: Object.values(runs).reduce((sum, count) => sum + count, 0),
  };
}

function printHead(): void {
  process.stdout.write('minute  resident  descriptors  threads   CPU  sessions  stored runs\n');
}

function printSample(one: Sample): void {
  const cells = [
    String(one.minute).padStart(6),
    `${one.residentMb.toFixed(0)} MB`.padStart(9),
    String(one.descriptors).padStart(12),
    String(one.threads).padStart(8),
    `${one.cpuPercent.toFixed(0)} %`.padStart(6),
    String(one.sessions).padStart(9),
    String(one.storedRuns).padStart(12),
  ];
  process.stdout.write(`${cells.join(' ')}\n`);
}

interface Samples {
  /** Measured before the load. */
  readonly before: Sample;
  readonly samples: readonly Sample[];
  /** Measured after the load. */
  readonly after: Sample;
}

function printVerdict({ before, samples, after }: Samples, { problems, sessions, lists }: Load): number {
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const memory = [middle, last].map((part) => median(part.map(({ residentMb }) => residentMb)));
  const threads = [middle, last].map((part) => Math.max(...part.map((one) => one.threads)));
  const grows = [
    ...(memory[1]! > memory[0]! * memoryGrowthMax ? ['memory'] : []),
    ...(threads[1]! > threads[0]! ? ['threads'] : []),
    ...(after.descriptors > before.descriptors + descriptorGrowthMax ? ['descriptors'] : []),
  ];
  process.stdout.write(
    [
      '',
      `resident MB, median of the second and of the last third: ${memory.map((mb) => mb.toFixed(0)).join(' and ')}`,
      `threads, most in the second and in the last third: ${threads.join(' and ')}`,
      `descriptors without load, before and after: ${before.descriptors} and ${after.descriptors}`,
      `${sessions} sessions, ${lists} rounds of lists, load ${loadavg()[0]!.toFixed(1)}`,
      `${problems.length} sessions differ from their records`,
      ...problems.slice(0, 10),
      grows.length === 0 ? 'ok: nothing grows' : `missed: ${grows.join(', ')} grows`,
      '',
    ].join('\n'),
  );
  return grows.length === 0 && problems.length === 0 ? 0 : 1;
}
