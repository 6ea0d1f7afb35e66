// Measures pipelines: jobs against the docker command, lines against a container call, and the time to check and plan.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parsePipeline } from '../../server/pipeline/language/check.ts';
import { planPipeline } from '../../server/pipeline/plan/planner.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { callGateway } from './call-gateway.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { countFrames } from './frame-counter.ts';
import { type BenchServer, startBenchGateway } from './servers.ts';

const jobs = 20;
const width = 4;
const rounds = 5;
const lineRounds = 3;
const lines = 2_000_000;
const lineBytes = 80;
const fileRounds = 5;
const required = { cost: 1.3, lines: 0.7, firstLineMs: 100, planMs: 200, checkMs: 500 } as const;
const image = 'busybox:latest';
const peerMs = 120_000;

const names = Array.from({ length: jobs }, (_, i) => `job-${i + 1}`);
/** Prints the time of the clock that all containers of a machine share, in seconds with two decimals. */
const now = 'read up rest < /proc/uptime; echo $up';
const print = `yes ${'x'.repeat(lineBytes - 1)} | head -n ${lines}`;

const files: Readonly<Record<string, string>> = {
  sequence: pipeline(names, 'echo hello'),
  parallel: pipeline(names, 'echo hello', 'parallel: true'),
  twins: pipeline(['left', 'right'], print, 'parallel: true'),
  clock: pipeline(names, now),
};

export async function measurePipelines(): Promise<readonly Figure[]> {
  const host = await sharedEngineHost();
  const folder = await mkdtemp(join(tmpdir(), 'pipelines-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, `${name}.yaml`), text);
  const calls = Object.keys(files)
    .map((name) => `  ${name}: { pipeline: ${join(folder, name)}.yaml }\n`)
    .join('');
  const ours = await startBenchGateway(
    [
      `docker: { host: "${host}" }\nlimits: { jobsMax: ${width} }\ncalls:\n${calls}  one: { `,
      `container: { image: "${image}", command: [sh, -c, '${print}'] } }\n`,
    ].join(''),
  );
  try {
    return [
      ...(await cost(ours, {
        name: 'sequence',
        what: `${jobs} one-line jobs, one after the other`,
        peer: 'docker run --rm in a shell loop',
        shell: `for i in $(seq ${jobs}); do ${runWithDocker(host)}; done`,
      })),
      ...(await cost(ours, {
        name: 'parallel',
        what: `${jobs} one-line jobs side by side, ${width} at once`,
        peer: `xargs -P${width} docker run --rm`,
        shell: `seq ${jobs} | xargs -P${width} -I{} ${runWithDocker(host)}`,
      })),
      ...(await firstLines(ours)),
      ...(await rates(ours)),
      ...fileFigures(),
    ];
  } finally {
    await ours.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function pipeline(jobNames: readonly string[], script: string, more = ''): string {
  const job = (name: string): string =>
    `${name}:\n  image: ${image}\n  script: ${JSON.stringify(script)}\n${more === '' ? '' : `  ${more}\n`}`;
  return `workflow: [${jobNames.join(', ')}]\n${jobNames.map(job).join('')}`;
}

function runWithDocker(host: string): string {
  return `docker --host ${host} run --rm ${image} echo hello`;
}

interface Cost {
  readonly name: string;
  readonly what: string;
  readonly peer: string;
  /** Shell command that does the work of the call with docker. */
  readonly shell: string;
}

async function cost({ port }: BenchServer, { name, what, peer, shell }: Cost): Promise<readonly Figure[]> {
  const own = async (): Promise<number> => {
    const { lines: printed, result, ms } = await callGateway(port, { call: name });
    if (!result.success || printed.join() !== names.map(() => 'hello').join() || result.cleanup?.clean !== true)
      throw new Error(`the gateway said ${JSON.stringify({ printed, result })}`);
    return ms;
  };
  const theirs = async (): Promise<number> => {
    const started = performance.now();
    const { stdout } = await promisify(execFile)('sh', ['-c', shell], { timeout: peerMs });
    if (stdout !== 'hello\n'.repeat(jobs)) throw new Error(`docker said ${stdout}`);
    return performance.now() - started;
  };
  const measured: { readonly own: number; readonly peer: number }[] = [];
  // The first round is a warm-up and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    const pair =
      round % 2 === 0 ? { own: await own(), peer: await theirs() } : { peer: await theirs(), own: await own() };
    if (round > 0) measured.push(pair);
  }
  const ratio = median(measured.map((pair) => pair.own / pair.peer));
  return [
    {
      name: `a pipeline of ${what}: ${rounded(median(measured.map((pair) => pair.own)))} ms`,
      value: `${rounded(ratio, 2)}x`,
      required: `<= ${required.cost}x`,
      peer: `${peer}, ${rounded(median(measured.map((pair) => pair.peer)))} ms`,
      samples: rounds,
      ok: ratio <= required.cost,
    },
  ];
}

async function firstLines({ port }: BenchServer): Promise<readonly Figure[]> {
  const took: number[] = [];
  await callGateway(port, { call: 'clock', onLine: (line) => took.push((uptime() - Number(line)) * 1000) });
  if (took.length !== jobs) throw new Error(`${took.length} lines came of ${jobs}`);
  const worst = Math.max(...took);
  return [
    {
      name: `from the first line of a job being printed to its client: median ${rounded(median(took))} ms`,
      value: `at most ${rounded(worst)} ms`,
      required: `< ${required.firstLineMs} ms`,
      peer: 'none; the clock counts 10 ms',
      samples: jobs,
      ok: worst < required.firstLineMs,
    },
  ];
}

function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

/** Measures lines per second of each of two parallel jobs, and of one container call. */
async function rates({ port }: BenchServer): Promise<readonly Figure[]> {
  const rate = async (call: string, jobsAtOnce: number): Promise<number> => {
    const { frames, payloadBytes, ms, binary } = await countFrames(port, { call: { call } });
    if (frames !== lines * jobsAtOnce || payloadBytes !== frames * (lineBytes - 1))
      throw new Error(`${frames} lines came, and ${binary.join()}`);
    return (lines / ms) * 1000;
  };
  const measured: { readonly twin: number; readonly one: number }[] = [];
  for (let round = 0; round < lineRounds; round += 1)
    measured.push({ twin: await rate('twins', 2), one: await rate('one', 1) });
  const ratio = median(measured.map((pair) => pair.twin / pair.one));
  const [twin, one] = [median(measured.map((pair) => pair.twin)), median(measured.map((pair) => pair.one))];
  return [
    {
      name: [
        `${lines} lines of ${lineBytes} bytes from each of two jobs side by side: `,
        `${rounded(twin / 1e6, 2)} M/s each`,
      ].join(''),
      value: `${rounded(100 * ratio)} %`,
      required: `>= ${100 * required.lines} %`,
      peer: `a container call alone, ${rounded(one / 1e6, 2)} M/s`,
      samples: lineRounds,
      ok: ratio >= required.lines,
    },
  ];
}

function fileFigures(): readonly Figure[] {
  const thousand = graph(1000);
  const long = longFile(10_000);
  const checkMs = slowest(() => void valid(long));
  const tree = valid(thousand);
  const planMs = slowest(() => {
    if (!('plan' in planPipeline(tree))) throw new Error('the graph cannot be planned');
  });
  return [
    {
      name: 'planning a graph of 1000 jobs',
      value: `at most ${rounded(planMs)} ms`,
      required: `< ${required.planMs} ms`,
      peer: 'none',
      samples: fileRounds,
      ok: planMs < required.planMs,
    },
    {
      name: 'checking a file of 10000 lines',
      value: `at most ${rounded(checkMs)} ms`,
      required: `< ${required.checkMs} ms`,
      peer: 'none',
      samples: fileRounds,
      ok: checkMs < required.checkMs,
    },
  ];
}

function valid(text: string) {
  const { pipeline: tree, diagnostics } = parsePipeline(text);
  if (tree === undefined)
    throw new Error(`the file of the bench is refused: ${JSON.stringify(diagnostics.slice(0, 3))}`);
  return tree;
}

/** Returns a pipeline in which each job needs up to three earlier jobs. */
function graph(size: number): string {
  const needs = (i: number): string =>
    [1, 2, 7]
      .map((back) => i - back)
      .filter((at) => at >= 0)
      .map((at) => `j${at}`)
      .join(', ');
  return Array.from(
    { length: size },
    (_, i) => `j${i}:\n  image: ${image}\n  script: "true"\n  needs: [${needs(i)}]\n`,
  ).join('');
}

function longFile(length: number): string {
  const head = Array.from({ length: 500 }, (_, i) => `j${i}`);
  const body = head
    .map((name) =>
      [
        `${name}:\n  image: ${image}\n  env: { NAME: ${name} }\n  script:\n`,
        `${Array.from({ length: 15 }, (_, i) => `    - echo ${name} ${i}\n`).join('')}`,
      ].join(''),
    )
    .join('');
  const text = `workflow: [${head.join(', ')}]\n${body}`;
  return text + '# a comment\n'.repeat(Math.max(0, length - text.split('\n').length + 1));
}

/** Returns the time of the slowest round in milliseconds. The first round counts, because users wait for it too. */
function slowest(work: () => void): number {
  return Math.max(
    ...Array.from({ length: fileRounds }, () => {
      const started = performance.now();
      work();
      return performance.now() - started;
    }),
  );
}
