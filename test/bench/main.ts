// `npm run bench [-- NAME…]`: measures the gateway and its peers in turn, and prints one table.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopSharedEngine } from '../helpers/docker/shared-engine.ts';
import { measureCancel } from './cancel.ts';
import { measureConnect } from './connect.ts';
import { measureContainers } from './containers.ts';
import { measureFairness } from './fairness/measure-fairness.ts';
import { measureFanout } from './fanout.ts';
import type { Figure } from './figures/figure.ts';
import { formatMarkdown, formatText } from './figures/format-table.ts';
import { measureIdle } from './idle.ts';
import { measureLatency } from './latency.ts';
import { measureLines } from './line-rate.ts';
import { measureMemory } from './memory.ts';
import { measurePipelines } from './pipelines.ts';
import { measureReplay } from './replay.ts';
import { stopAllServers } from './servers.ts';
import { measureShortCalls } from './short-calls.ts';
import { measureStore } from './store.ts';

const benches: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  lines: measureLines,
  memory: measureMemory,
  fanout: measureFanout,
  replay: measureReplay,
  latency: measureLatency,
  idle: measureIdle,
  containers: measureContainers,
  cancel: measureCancel,
  connect: measureConnect,
  pipelines: measurePipelines,
  'short-calls': measureShortCalls,
  store: measureStore,
  fairness: measureFairness,
};

const help = `usage: npm run bench -- [--markdown] [NAME…]

Measures the gateway against its peers on this machine, alternating, and prints one table. Takes six to ten minutes.
With names, only these:
${Object.keys(benches).join(', ')}.

  --markdown   the table as docs/performance.md has it
  --help       this

Exit codes: 0 every required figure is reached, 1 one is missed or could not be measured, 2 wrong arguments.
`;

/** Time limit of the whole benchmark. Each wait also has a deadline of its own. */
const deadlineMs = 20 * 60_000;
/** Above this load, the figures are affected by other work on the machine. */
const quietLoadMax = 2.5;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = parseArguments();
  if (typeof asked === 'number') return asked;
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  // Child processes inherit the folder for temporary files, so removing it removes their files as well.
  process.env['TMPDIR'] = folder;
  const cleanUp = async (): Promise<void> => {
    await stopAllServers();
    await stopSharedEngine();
    await rm(folder, { recursive: true, force: true });
  };
  const abort = (why: string): void => {
    process.stderr.write(`bench: ${why}\n`);
    void cleanUp().finally(() => process.exit(1));
  };
  const deadline = setTimeout(() => abort(`not done within ${deadlineMs / 60_000} minutes`), deadlineMs);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort(`ended by ${signal}`));
  try {
    return await measureAll(asked);
  } finally {
    clearTimeout(deadline);
    await cleanUp();
  }
}

interface BenchArguments {
  readonly names: readonly string[];
  readonly markdown: boolean;
}

function parseArguments(): BenchArguments | number {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { markdown: { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      process.stdout.write(help);
      return 0;
    }
    const unknown = positionals.find((name) => !(name in benches));
    if (unknown !== undefined)
      throw new Error(`there is no bench "${unknown}"; there are ${Object.keys(benches).join(', ')}`);
    return { names: positionals.length > 0 ? positionals : Object.keys(benches), markdown: values.markdown === true };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    return 2;
  }
}

async function measureAll({ names, markdown }: BenchArguments): Promise<number> {
  const machine = describeMachine();
  const figures: Figure[] = [];
  let failed = false;
  for (const name of names) {
    process.stderr.write(`bench: ${name} …\n`);
    try {
      figures.push(...(await benches[name]!()));
    } catch (error) {
      failed = true;
      process.stderr.write(`bench: ${name} could not be measured: ${(error as Error).message}\n`);
    }
  }
  process.stdout.write(`${(markdown ? formatMarkdown : formatText)(figures)}\n\n${machine}\n`);
  return failed || figures.some(({ ok }) => !ok) ? 1 : 0;
}

function describeMachine(): string {
  const [load = 0] = loadavg();
  if (load > quietLoadMax)
    process.stderr.write(`bench: the machine is busy (load ${load.toFixed(1)}); repeat this when it is not\n`);
  const processors = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return [
    `${processors.length} cores (${processors[0]?.model.trim() ?? 'unknown'}), Node `,
    `${process.versions.node}, ${date}, load ${load.toFixed(1)} at the start.`,
  ].join('');
}
